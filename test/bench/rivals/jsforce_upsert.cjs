// Upserts rows with jsforce, as its documentation shows, and prints one JSON
// object: rows that were written and peak memory. Arguments: address, path (collections or
// bulk), number of rows.
const jsforce = require('jsforce');

async function main() {
  const [url, path, count] = process.argv.slice(2);
  const conn = new jsforce.Connection({
    loginUrl: url, version: '64.0',
    oauth2: { loginUrl: url, clientId: '3MVG9.simulated.connected.app', clientSecret: 'simulated-client-secret' },
  });
  await conn.authorize({ grant_type: 'client_credentials' });
  const pad = (i) => String(i).padStart(7, '0');
  const rows = Array.from({ length: Number(count) }, (_, i) => ({
    ERP_Id__c: `C${pad(i)}`, Name: `Customer ${i}`, Phone: `+49 30 ${pad(i)}`, BillingCity: `City ${i % 100}`,
    BillingStreet: `${i % 300} Long Street`, Website: `https://acme.example/${i}`, Score__c: `${i % 1000}.25`,
    Active__c: i % 2 ? 'true' : 'false',
  }));
  let good = 0;
  if (path === 'bulk') {
    conn.bulk2.pollInterval = 1000;
    conn.bulk2.pollTimeout = 600000;
    const res = await conn.bulk2.loadAndWaitForResults({ object: 'Account', operation: 'upsert', externalIdFieldName: 'ERP_Id__c', input: rows });
    good = res.successfulResults.length;
  } else {
    const res = await conn.sobject('Account').upsert(rows, 'ERP_Id__c', { allowRecursive: true, allOrNone: false });
    good = res.filter((r) => r.success).length;
  }
  // The most since exec; what resourceUsage tells is at least what the parent held.
  const peak = /VmHWM:\s+(\d+)/.exec(require('fs').readFileSync('/proc/self/status', 'utf8'))[1];
  console.log(JSON.stringify({ good, rss: Number(peak) * 1024 }));
}

main().catch((e) => { console.error(e); process.exit(1); });
