"""simple-salesforce's bulk2 against the org: every operation, results, query
jobs in pages; and composite requests. Prints one JSON object with what it
saw."""
import csv
import io
import json
import os

import requests
from simple_salesforce import Salesforce
from simple_salesforce.bulk2 import ColumnDelimiter, LineEnding

conf = json.loads(os.environ["COMPAT"])
session = requests.Session()
session.trust_env = False
session.verify = conf["caFile"]
token = session.post(conf["httpsURL"] + "/services/oauth2/token", data={
    "grant_type": "client_credentials", "client_id": conf["clientID"], "client_secret": conf["clientSecret"]}).json()
sf = Salesforce(instance_url=token["instance_url"], session_id=token["access_token"], session=session, version="64.0")


def rows(text, delimiter=","):
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


out = {}
accounts = [{"ERP_Id__c": "p%03d" % i, "Name": "Æ %d" % i, "Phone": str(i)} for i in range(450)]
done = sf.bulk2.Account.insert(records=accounts + [{"ERP_Id__c": "p000", "Name": "again", "Phone": ""}], wait=0.2)
out["insert"] = [[d["numberRecordsProcessed"], d["numberRecordsFailed"], d["numberRecordsTotal"]] for d in done]
job = done[0]["job_id"]
good = rows(sf.bulk2.Account.get_successful_records(job))
out["good"] = [len(good), sorted(r["Name"] for r in good)[0]]
out["error"] = rows(sf.bulk2.Account.get_failed_records(job))[0]["sf__Error"].split(":")[0]
out["left"] = len(rows(sf.bulk2.Account.get_unprocessed_records(job)))

sf.bulk2.Account.upsert(records=[{"ERP_Id__c": "p001", "Phone": "#N/A"}, {"ERP_Id__c": "p002", "Phone": ""}], external_id_field="ERP_Id__c",
                        column_delimiter=ColumnDelimiter.PIPE, line_ending=LineEnding.CRLF, wait=0.2)
ids = {r["ERP_Id__c"]: r["sf__Id"] for r in good}
sf.bulk2.Account.update(records=[{"Id": ids["p003"], "Name": "updated"}], wait=0.2)
sf.bulk2.Account.delete(records=[{"Id": ids["p004"]}], wait=0.2)
sf.bulk2.Account.hard_delete(records=[{"Id": ids["p005"]}], wait=0.2)
out["ids"] = [ids["p%03d" % i] for i in range(6)]

pages = [rows(page) for page in sf.bulk2.Account.query("SELECT ERP_Id__c, Name FROM Account ORDER BY ERP_Id__c", max_records=200, wait=0.2)]
out["pages"] = [len(p) for p in pages]
out["ordered"] = [r["ERP_Id__c"] for p in pages for r in p] == [a["ERP_Id__c"] for i, a in enumerate(accounts) if i not in (4, 5)]
out["all"] = sum(len(rows(page)) for page in sf.bulk2.Account.query_all("SELECT Id FROM Account", wait=0.2))

answer = sf.restful("composite", method="POST", json={"allOrNone": True, "compositeRequest": [
    {"method": "POST", "url": "/services/data/v64.0/sobjects/Account", "referenceId": "acc", "body": {"Name": "composite"}},
    {"method": "POST", "url": "/services/data/v64.0/sobjects/Contact", "referenceId": "con", "body": {"LastName": "C", "AccountId": "@{acc.id}"}},
    {"method": "GET", "url": "/services/data/v64.0/query?q=SELECT+Account.Name+FROM+Contact+WHERE+Id='@{con.id}'", "referenceId": "q"},
]})["compositeResponse"]
out["composite"] = [a["httpStatusCode"] for a in answer]
out["parent"] = answer[2]["body"]["records"][0]["Account"]["Name"]
print(json.dumps(out))
