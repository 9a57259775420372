"""Upserts rows with simple-salesforce, as its documentation shows, and prints
one JSON object: rows that were written and peak memory. Arguments: address, path (collections
or bulk), number of rows."""
import json
import sys

import requests
from simple_salesforce import Salesforce

url, path, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
session = requests.Session()
session.trust_env = False
token = session.post(url + "/services/oauth2/token", data={
    "grant_type": "client_credentials", "client_id": "3MVG9.simulated.connected.app", "client_secret": "simulated-client-secret"}).json()
sf = Salesforce(instance_url=token["instance_url"], session_id=token["access_token"], session=session, version="64.0")
for name in "base_url", "bulk2_url":  # it knows https only, and the others go without
    setattr(sf, name, getattr(sf, name).replace("https://", "http://"))
rows = [{
    "ERP_Id__c": "C%07d" % i, "Name": "Customer %d" % i, "Phone": "+49 30 %07d" % i, "BillingCity": "City %d" % (i % 100),
    "BillingStreet": "%d Long Street" % (i % 300), "Website": "https://acme.example/%d" % i, "Score__c": "%d.25" % (i % 1000),
    "Active__c": "true" if i % 2 else "false"} for i in range(n)]

good = 0
if path == "bulk":
    jobs = sf.bulk2.Account.upsert(records=rows, external_id_field="ERP_Id__c", wait=1)
    for job in jobs:
        good += len(sf.bulk2.Account.get_successful_records(job["job_id"]).splitlines()) - 1
        sf.bulk2.Account.get_failed_records(job["job_id"])
else:
    for row in rows:
        row["attributes"] = {"type": "Account"}
    for at in range(0, n, 200):
        for result in sf.restful("composite/sobjects/Account/ERP_Id__c", method="PATCH",
                                 json={"allOrNone": False, "records": rows[at:at + 200]}):
            good += result["success"]
with open("/proc/self/status") as status:  # the most since exec; what getrusage tells is at least what the parent held
    rss = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024
print(json.dumps({"good": good, "rss": rss}))
