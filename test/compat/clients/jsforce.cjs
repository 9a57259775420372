// jsforce against the org: login, rows, upsert, queries in pages, describe,
// collections. Prints one JSON object with what it saw.
const jsforce = require('jsforce');

async function main() {
  const { httpURL, clientID, clientSecret } = JSON.parse(process.env.COMPAT);
  const conn = new jsforce.Connection({
    loginUrl: httpURL,
    version: '64.0',
    oauth2: { loginUrl: httpURL, clientId: clientID, clientSecret },
    callOptions: { client: 'jsforce-test' },
  });
  await conn.authorize({ grant_type: 'client_credentials' });
  const out = { orgID: (await conn.identity()).organization_id };

  const created = await conn.sobject('Account').create({
    Name: 'Zoë 東京', AnnualRevenue: 1250000, BillingCity: 'Oslo', Tags__c: 'red;green', Score__c: 0.5,
  });
  out.id = created.id;
  out.retrieved = await conn.sobject('Account').retrieve(created.id);
  await conn.sobject('Account').update({ Id: created.id, Phone: '+47 1', Fax: null });
  out.phone = (await conn.sobject('Account').retrieve(created.id, ['Phone'])).Phone;

  const order = { ERP_Id__c: 'js-1', Account__c: created.id, Total__c: 12.5, Due__c: '2024-02-29' };
  out.upserts = [await conn.sobject('Order__c').upsert(order, 'ERP_Id__c'), await conn.sobject('Order__c').upsert({ ...order, Paid__c: true }, 'ERP_Id__c')]
    .map((r) => ({ id: r.id, created: r.created }));

  out.many = (await conn.sobject('Contact').create(
    Array.from({ length: 450 }, (_, i) => ({ LastName: `L${String(i).padStart(3, '0')}`, AccountId: created.id })),
    { allowRecursive: true },
  )).filter((r) => r.success).length;
  out.mixed = (await conn.sobject('Contact').create([{ LastName: 'ok' }, { FirstName: 'no last name' }], { allOrNone: false }))
    .map((r) => (r.success ? 'ok' : (r.errors[0].statusCode || r.errors[0].errorCode)));

  const pages = [];
  let page = await conn.query("SELECT LastName, Account.Name FROM Contact WHERE LastName LIKE 'L%' ORDER BY LastName",
    { headers: { 'Sforce-Query-Options': 'batchSize=200' } });
  pages.push(page.records.length);
  const names = page.records.map((r) => r.LastName);
  out.parent = page.records[0].Account.Name;
  while (!page.done) {
    page = await conn.queryMore(page.nextRecordsUrl, { headers: { 'Sforce-Query-Options': 'batchSize=200' } });
    pages.push(page.records.length);
    names.push(...page.records.map((r) => r.LastName));
  }
  out.pages = pages;
  out.inOrder = names.length === 450 && names.every((n, i) => n === `L${String(i).padStart(3, '0')}`);
  out.count = await conn.sobject('Contact').count({ LastName: { $like: 'L%' } });

  const described = await conn.sobject('Account').describe();
  out.describe = Object.fromEntries(described.fields.map((f) => [f.name, f.type]));
  out.children = described.childRelationships.map((c) => c.relationshipName);
  out.global = (await conn.describeGlobal()).sobjects.map((s) => s.name);

  const event = await conn.sobject('Shipment__e').create({ Order_Number__c: 'js-event', Weight__c: 1.5 });
  out.event = event.success;
  out.destroyed = (await conn.sobject('Order__c').destroy(out.upserts[0].id)).success;
  out.gone = await conn.sobject('Order__c').retrieve(out.upserts[0].id).then(() => 'still there', (e) => e.errorCode);
  out.badQuery = await conn.query('SELECT Nope FROM Account').then(() => 'answered', (e) => e.errorCode);
  out.usage = conn.limitInfo.apiUsage.limit;
  console.log(JSON.stringify(out));
}

main().catch((e) => { console.error(e); process.exit(1); });
