package config

// Example is a small configuration file to start from.
func Example() string {
	return `name: crm                         # names this bridge: positions and internal topics derive from it
orgs:
  main:
    login_url: https://login.salesforce.com
    auth: {method: jwt-bearer, client_id: "${SF_CLIENT_ID}", username: sync@example.com, private_key_file: key.pem}
kafka:
  brokers: [localhost:9092]
schema_registry:
  url: http://localhost:8081
capture:
  - {org: main, objects: [Account, Contact, Order__c]}
  - {org: main, events: [Shipment__e], from: earliest}
writeback:
  - topic: erp.customers
    org: main
    object: Account
    external_id: ERP_Id__c
    fields: {Name: name, Phone: phone, BillingCity: address.city}
publish:
  - {topic: erp.shipments, org: main, event: Shipment__e}
`
}
