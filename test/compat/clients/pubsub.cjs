// salesforce-pubsub-api-client against the org: JWT bearer login, all events
// of a channel from the earliest on, one published event and a batch. Prints
// one JSON object with what it saw.
const PubSubApiClient = require('salesforce-pubsub-api-client').default || require('salesforce-pubsub-api-client');

const quiet = { debug() {}, info() {}, warn(m) { console.error(m); }, error(m) { console.error(m); } };
// JSON has no numbers beyond 2^53 and no undefined.
const plain = (v) => JSON.parse(JSON.stringify(v, (_, x) => (typeof x === 'bigint' ? x.toString() : x)));

function collect(client, channel, count) {
  return new Promise((resolve, reject) => {
    const events = [];
    const timer = setTimeout(() => reject(new Error(`${channel}: ${events.length} of ${count} events`)), 30000);
    client.subscribeFromEarliestEvent(channel, (_, type, data) => {
      if (type === 'event') {
        events.push(plain(data));
        if (events.length === count) { clearTimeout(timer); resolve(events); }
      } else if (type === 'error') {
        clearTimeout(timer);
        reject(data);
      }
    }, count);
  });
}

async function main() {
  const { httpURL, clientID, username, privateKey, pubsubAddr, accounts, shipments } = JSON.parse(process.env.COMPAT);
  const client = new PubSubApiClient({
    authType: 'oauth-jwt-bearer', loginUrl: httpURL, clientId: clientID, username, privateKey,
    pubSubEndpoint: pubsubAddr, rejectUnauthorizedSsl: false,
  }, quiet);
  await client.connect();
  const out = { accounts: await collect(client, '/data/AccountChangeEvent', accounts) };

  const payload = {
    CreatedDate: 1700000000000, CreatedById: '005SB0000000001YAA', Order_Number__c: { string: 'node-1' }, Carrier__c: null, Status__c: { string: 'sent' },
    Weight__c: { double: 2.5 }, Shipped_At__c: { long: 1700000000000 }, Due__c: null, Is_Late__c: { boolean: true }, Notes__c: null,
  };
  out.published = (await client.publish('/event/Shipment__e', payload, 'key-1')).correlationKey;
  out.batch = await new Promise((resolve, reject) => {
    client.publishBatch('/event/Shipment__e', [{ payload }, { payload }], (_, type, data) => {
      if (type === 'publishResponse') resolve(data.results.length);
      else if (type === 'error') reject(data);
    }).catch(reject);
  });
  out.shipments = await collect(client, '/event/Shipment__e', shipments + 3);
  client.close();
  console.log(JSON.stringify(out));
}

main().then(() => process.exit(0), (e) => { console.error(e); process.exit(1); });
