# The program alone in an image: one static file and the list of certificate authorities.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /sfbridge ./cmd/sfbridge

FROM scratch
LABEL org.opencontainers.image.title="sfbridge" \
      org.opencontainers.image.description="Keeps Salesforce orgs and Apache Kafka in step" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /sfbridge /sfbridge
COPY LICENSE /LICENSE
# Nobody: it writes no file, so run it with a read-only file system and without capabilities.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/sfbridge"]
CMD ["run", "-c", "/etc/sfbridge/bridge.yaml"]
