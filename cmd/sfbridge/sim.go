package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"sfbridge/orgsim"
)

type simCmd struct {
	Listen       string        `default:"127.0.0.1:8090" help:"Address of login, REST and the control API."`
	PubsubListen string        `default:"127.0.0.1:7011" help:"Address of the Pub/Sub API."`
	TLSCert      string        `type:"path" help:"PEM certificate for both addresses; plain without it."`
	TLSKey       string        `type:"path" help:"PEM key of the certificate."`
	SeedData     bool          `help:"Fill the org with rows and let people work in it."`
	Rate         float64       `default:"5" help:"Changes a second with --seed-data."`
	Seed         uint64        `default:"1" help:"Of everything random."`
	Objects      string        `type:"existingfile" placeholder:"FILE" help:"YAML file with objects and channels beside the built-in ones."`
	Faults       string        `type:"existingfile" placeholder:"FILE" help:"YAML file with faults that strike while it runs."`
	KeyOut       string        `type:"path" placeholder:"FILE" help:"Make a key for JWT logins and write it here, as PEM."`
	Keepalive    time.Duration `default:"60s" help:"Between signs of life on a quiet subscription."`
	Retention    time.Duration `default:"72h" help:"How long events are kept."`
	Prepared     []string      `placeholder:"CHANNEL=EVENTSxBYTES" help:"Serve made-up events on a channel as fast as they are asked for, for measuring."`
	MaxBatch     int           `default:"100" help:"Events in one response at most."`
	Latency      time.Duration `help:"How long each call of REST, Bulk and SOAP takes."`
	BulkStart    time.Duration `default:"300ms" help:"How long a bulk job waits before it is worked on."`
	BulkBatch    time.Duration `default:"5ms" help:"How long a bulk job takes for each transaction of 200 rows."`
	Ledger       int           `default:"0" help:"Committed changes that the control API lists; -1 for all."`
	Verbose      bool          `short:"v" help:"Log what happens."`
}

func (simCmd) Help() string {
	return `Log in with client id ` + orgsim.DefaultClientID + ` and secret ` + orgsim.DefaultClientSecret + `
(client-credentials), or with --key-out by JWT bearer. docs/simulator.md tells what it can do, and what can be made to go wrong.

Example: sfbridge sim --seed-data --faults faults.yaml`
}

func (c *simCmd) Run(ctx context.Context, io streams) error {
	log := slog.New(slog.DiscardHandler)
	if c.Verbose {
		log = slog.New(slog.NewTextHandler(io.err, nil))
	}
	org, err := c.org(log)
	if err != nil {
		return err
	}
	defer org.Close()
	if err := c.prepare(org); err != nil {
		return err
	}
	return c.serve(ctx, org, io)
}

func (c *simCmd) org(log *slog.Logger) (*orgsim.Org, error) {
	cfg := orgsim.Config{Seed: c.Seed, Keepalive: c.Keepalive, Retention: c.Retention, MaxBatch: c.MaxBatch, KeepLedger: c.Ledger, Logger: log}
	cfg.REST.Latency = c.Latency
	cfg.Bulk.StartDelay, cfg.Bulk.BatchTime = cmp.Or(c.BulkStart, -1), cmp.Or(c.BulkBatch, -1) // none at all
	if c.Objects != "" {
		f, err := os.Open(c.Objects)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		objects, channels, err := orgsim.LoadObjects(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Objects, err)
		}
		cfg.Objects, cfg.Channels = append(orgsim.BuiltinObjects(), objects...), channels
	}
	if c.Faults != "" {
		f, err := os.Open(c.Faults)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if cfg.Faults, err = orgsim.LoadFaults(f); err != nil {
			return nil, fmt.Errorf("%s: %w", c.Faults, err)
		}
	}
	return orgsim.New(cfg)
}

// prepare makes the key and the made-up channels.
func (c *simCmd) prepare(org *orgsim.Org) error {
	if c.KeyOut != "" {
		public, private, err := orgsim.NewKeyPair()
		if err != nil {
			return err
		}
		if err := os.WriteFile(c.KeyOut, private, 0o600); err != nil {
			return fmt.Errorf("write key: %w", err)
		}
		org.RegisterApp(orgsim.ConnectedApp{
			ClientID: orgsim.DefaultClientID, ClientSecret: orgsim.DefaultClientSecret,
			PublicKey: public, RunAs: org.Username(),
		})
	}
	for _, text := range c.Prepared {
		p, err := parsePrepared(text)
		if err != nil {
			return err
		}
		if err := org.ServePrepared(p); err != nil {
			return err
		}
	}
	return nil
}

// parsePrepared reads CHANNEL=EVENTSxBYTES, with @RATE behind it for a steady
// number of events a second.
func parsePrepared(text string) (orgsim.Prepared, error) {
	channel, rest, _ := strings.Cut(text, "=")
	rest, rate, steady := strings.Cut(rest, "@")
	events, size, _ := strings.Cut(rest, "x")
	p := orgsim.Prepared{Channel: channel}
	var errs [3]error
	p.Events, errs[0] = strconv.ParseInt(events, 10, 64)
	p.Size, errs[1] = strconv.Atoi(size)
	if steady {
		p.Rate, errs[2] = strconv.ParseFloat(rate, 64)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return p, fmt.Errorf("--prepared %s: want CHANNEL=EVENTSxBYTES, such as /data/AccountChangeEvent=100000x500, "+
			"with @RATE behind it for a steady rate", text)
	}
	return p, nil
}

func (c *simCmd) serve(ctx context.Context, org *orgsim.Org, io streams) error {
	conf, err := c.tls()
	if err != nil {
		return err
	}
	web, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w: give --listen another address", c.Listen, err)
	}
	bus, err := net.Listen("tcp", c.PubsubListen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w: give --pubsub-listen another address", c.PubsubListen, err)
	}
	mux := http.NewServeMux()
	mux.Handle("/_control", org.ControlHandler())
	mux.Handle("/_control/", org.ControlHandler())
	mux.Handle("/", org.HTTPHandler())
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	scheme := "http"
	if conf != nil {
		scheme, web = "https", tls.NewListener(web, conf)
	}
	fmt.Fprintf(io.out, "simulated org %s, user %s\n  login and REST  %s://%s   control API  /_control\n  Pub/Sub API     %s\n",
		org.OrgID(), org.Username(), scheme, web.Addr(), bus.Addr())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return ignoreClosed(srv.Serve(web)) })
	g.Go(func() error { return org.ServePubSub(bus, conf) })
	if c.SeedData {
		g.Go(func() error {
			_, err := org.Work(ctx, orgsim.WorkConfig{Rate: c.Rate, Seed: c.Seed})
			if ctx.Err() != nil {
				return nil
			}
			return err
		})
	}
	g.Go(func() error {
		<-ctx.Done()
		org.Close()
		return srv.Close()
	})
	return g.Wait()
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (c *simCmd) tls() (*tls.Config, error) {
	if c.TLSCert == "" && c.TLSKey == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
