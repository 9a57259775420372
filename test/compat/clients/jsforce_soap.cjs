// jsforce's SOAP API against the org: rows that come out of the recycle bin,
// one that is not in it, rows that are merged, and a session that is gone.
// Prints one JSON object with what it saw.
const jsforce = require('jsforce');
require('jsforce/lib/api/soap');

async function main() {
  const { httpURL, clientID, clientSecret } = JSON.parse(process.env.COMPAT);
  const conn = new jsforce.Connection({
    loginUrl: httpURL, version: '64.0', oauth2: { loginUrl: httpURL, clientId: clientID, clientSecret }, callOptions: { client: 'jsforce-soap' },
  });
  await conn.authorize({ grant_type: 'client_credentials' });
  const accounts = conn.sobject('Account');
  const made = await accounts.create([{ Name: 'A' }, { Name: 'B', Phone: '1' }, { Name: 'C' }]);
  const ids = made.map((r) => r.id);
  await accounts.destroy(ids.slice(0, 2));
  const results = await conn.soap.undelete(ids);
  const out = {
    ids,
    undeleted: results.map((r) => r.success),
    back: results.map((r) => r.id),
    code: [].concat(results[2].errors || [])[0]?.statusCode,
  };
  const merged = await conn.soap.merge({ masterRecord: { type: 'Account', Id: ids[0], Phone: '2' }, recordToMergeIds: [ids[1]] })
    .then((r) => [].concat(r)[0], (e) => ({ success: false, error: e.message }));
  out.merged = merged.success;
  out.mergeError = merged.error;
  const lost = new jsforce.Connection({ instanceUrl: conn.instanceUrl, accessToken: 'gone', version: '64.0' });
  out.lost = await lost.soap.undelete(ids).then(() => 'taken', (e) => e.errorCode || e.name || e.message);
  console.log(JSON.stringify(out));
}

main().catch((e) => { console.error(e); process.exit(1); });
