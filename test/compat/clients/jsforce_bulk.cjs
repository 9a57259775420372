// jsforce's bulk2 against the org: ingest jobs of several kinds, their
// results, query jobs, and a job that is aborted; collections by upsert and
// delete. Prints one JSON object with what it saw.
const jsforce = require('jsforce');

async function main() {
  const { httpURL, clientID, clientSecret } = JSON.parse(process.env.COMPAT);
  const conn = new jsforce.Connection({
    loginUrl: httpURL, version: '64.0', oauth2: { loginUrl: httpURL, clientId: clientID, clientSecret }, callOptions: { client: 'jsforce-bulk' },
  });
  await conn.authorize({ grant_type: 'client_credentials' });
  conn.bulk2.pollInterval = 200;
  const out = {};

  const accounts = Array.from({ length: 450 }, (_, i) => ({ ERP_Id__c: `b${i}`, Name: `Bulk ${i}`, Description: 'two\nlines, "quoted"', AnnualRevenue: String(i) }));
  accounts.push({ ERP_Id__c: 'bad', Name: 'bad', Description: '', AnnualRevenue: 'much' });
  const first = await conn.bulk2.loadAndWaitForResults({ object: 'Account', operation: 'upsert', externalIdFieldName: 'ERP_Id__c', input: accounts });
  out.loaded = first.successfulResults.length;
  out.created = first.successfulResults.filter((r) => r.sf__Created === 'true').length;
  out.echo = first.successfulResults.every((r) => r.Description === 'two\nlines, "quoted"');
  out.failed = first.failedResults.map((r) => r.sf__Error);
  out.left = first.unprocessedRecords.length;

  const contacts = Array.from({ length: 3 }, (_, i) => ({ LastName: `C${i}`, 'Account.ERP_Id__c': `b${i}` }));
  const second = await conn.bulk2.loadAndWaitForResults({ object: 'Contact', operation: 'insert', input: contacts });
  out.children = second.successfulResults.length;

  const job = conn.bulk2.createJob({ object: 'Contact', operation: 'delete' });
  await job.open();
  await job.uploadData(second.successfulResults.slice(0, 1).map((r) => ({ Id: r.sf__Id })));
  await job.close();
  await job.poll(200, 30000);
  const info = await job.check();
  out.job = { state: info.state, processed: info.numberRecordsProcessed, failed: info.numberRecordsFailed, apiVersion: info.apiVersion };
  await job.delete();
  out.gone = await conn.bulk2.job('ingest', { id: info.id }).check().then(() => 'still there', (e) => e.errorCode);

  const open = conn.bulk2.createJob({ object: 'Account', operation: 'insert' });
  await open.open();
  await open.abort();
  out.aborted = (await open.check()).state;

  const rows = [];
  const stream = await conn.bulk2.query('SELECT LastName, Account.Name FROM Contact ORDER BY LastName');
  for await (const r of stream) rows.push(r);
  out.rows = rows.map((r) => `${r.LastName} ${r['Account.Name']}`);
  const all = [];
  for await (const r of await conn.bulk2.query('SELECT LastName FROM Contact', { scanAll: true })) all.push(r);
  out.all = all.length;

  const upsert = await conn.sobject('Account').upsert([{ ERP_Id__c: 'b0', Phone: '1' }, { ERP_Id__c: 'new', Name: 'New' }], 'ERP_Id__c', { allOrNone: false });
  out.upserts = upsert.map((r) => r.created);
  out.destroyed = (await conn.sobject('Account').destroy(upsert.map((r) => r.id))).map((r) => r.success);
  console.log(JSON.stringify(out));
}

main().catch((e) => { console.error(e); process.exit(1); });
