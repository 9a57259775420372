"""simple-salesforce against the org: both OAuth logins it knows, rows, upsert,
queries in pages, describe. Prints one JSON object with what it saw."""
import json
import os

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, SalesforceMalformedRequest, SalesforceResourceNotFound

conf = json.loads(os.environ["COMPAT"])


class LoginHost(HTTPAdapter):
    """Sends what is meant for salesforce.com, which the library has fixed in
    its code, to the simulated org."""

    def send(self, request, **kwargs):
        request.url = conf["httpsURL"] + request.path_url
        return super().send(request, **kwargs)


def session():
    s = requests.Session()
    s.trust_env = False  # else REQUESTS_CA_BUNDLE would win
    s.verify = conf["caFile"]
    for host in ("login", "acme.my"):
        s.mount("https://" + host + ".salesforce.com", LoginHost())
    return s


out = {}
sf = Salesforce(username=conf["username"], consumer_key=conf["clientID"], privatekey=conf["privateKey"],
                session=session(), version="64.0")
out["jwt"] = sf.sf_instance
sf = Salesforce(consumer_key=conf["clientID"], consumer_secret=conf["clientSecret"], domain="acme.my",
                session=session(), version="64.0")
out["clientCredentials"] = sf.sf_instance

account = sf.Account.create({"Name": "Ærø", "AnnualRevenue": 10, "ERP_Id__c": "py-0"})
out["id"] = account["id"]
out["update"] = sf.Account.update(account["id"], {"Phone": "2"})
row = sf.Account.get(account["id"])
out["row"] = {k: row[k] for k in ("Name", "Phone", "AnnualRevenue", "IsDeleted", "BillingAddress", "CreatedDate")}
out["byExternalID"] = sf.Account.get_by_custom_id("ERP_Id__c", "py-0")["Id"]
out["upserts"] = [sf.Account.upsert("ERP_Id__c/py-1", {"Name": "up"}), sf.Account.upsert("ERP_Id__c/py-1", {"Name": "up again"})]

for i in range(3):
    for r in sf.restful("composite/sobjects", method="POST", json={"records": [
        {"attributes": {"type": "Contact"}, "LastName": "P%03d" % (200 * i + n)} for n in range(150)
    ]}):
        assert r["success"], r
found = sf.query_all_iter("SELECT LastName FROM Contact WHERE LastName LIKE 'P%' ORDER BY LastName",
                          headers={"Sforce-Query-Options": "batchSize=200"})
out["names"] = len([r["LastName"] for r in found])
out["count"] = sf.query("SELECT COUNT() FROM Contact WHERE LastName LIKE 'P%'")["totalSize"]

described = sf.Account.describe()
out["fields"] = {f["name"]: f["type"] for f in described["fields"]}
out["objects"] = [o["name"] for o in sf.describe()["sobjects"]]
out["limits"] = sf.limits()["DailyApiRequests"]["Max"]
out["usage"] = sf.api_usage["api-usage"].total

out["deleted"] = sf.Account.delete(account["id"])
try:
    sf.Account.get(account["id"])
    out["gone"] = "still there"
except SalesforceResourceNotFound as e:
    out["gone"] = e.content[0]["errorCode"]
out["queryAll"] = sf.query_all("SELECT Id FROM Account WHERE IsDeleted = true", include_deleted=True)["totalSize"]
try:
    sf.query("SELECT FROM Account")
    out["malformed"] = "answered"
except SalesforceMalformedRequest as e:
    out["malformed"] = e.content[0]["errorCode"]
print(json.dumps(out))
