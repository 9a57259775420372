package salesforce

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"

	"sfbridge/salesforce/auth"
)

// Object describes an sObject (REST API guide, sObject Describe), as far as
// the bridge uses it. Fields that the user may not see are missing.
type Object struct {
	Name          string       `json:"name"`
	Label         string       `json:"label"`
	KeyPrefix     string       `json:"keyPrefix"`
	Custom        bool         `json:"custom"`
	Queryable     bool         `json:"queryable"`
	Createable    bool         `json:"createable"`
	Updateable    bool         `json:"updateable"`
	Deletable     bool         `json:"deletable"`
	Undeletable   bool         `json:"undeletable"`
	Replicateable bool         `json:"replicateable"`
	Fields        []Field      `json:"fields"`
	RecordTypes   []RecordType `json:"recordTypeInfos"`
}

// Field describes a field of an sObject.
type Field struct {
	Name              string     `json:"name"`
	Label             string     `json:"label"`
	Type              string     `json:"type"` // string, double, reference, address, ...
	SOAPType          string     `json:"soapType"`
	Custom            bool       `json:"custom"`
	Nillable          bool       `json:"nillable"`
	DefaultedOnCreate bool       `json:"defaultedOnCreate"`
	Createable        bool       `json:"createable"`
	Updateable        bool       `json:"updateable"`
	ExternalID        bool       `json:"externalId"`
	IDLookup          bool       `json:"idLookup"`
	Unique            bool       `json:"unique"`
	CaseSensitive     bool       `json:"caseSensitive"`
	Calculated        bool       `json:"calculated"`
	AutoNumber        bool       `json:"autoNumber"`
	Filterable        bool       `json:"filterable"`
	CompoundField     string     `json:"compoundFieldName"` // BillingAddress, for BillingCity
	Length            int        `json:"length"`
	ByteLength        int        `json:"byteLength"`
	Digits            int        `json:"digits"`
	Precision         int        `json:"precision"` // all digits
	Scale             int        `json:"scale"`     // digits right of the point
	ReferenceTo       []string   `json:"referenceTo"`
	Relationship      string     `json:"relationshipName"`
	Polymorphic       bool       `json:"polymorphicForeignKey"`
	Restricted        bool       `json:"restrictedPicklist"`
	Picklist          []Picklist `json:"picklistValues"`
	ExtraType         string     `json:"extraTypeInfo"` // richtextarea, personname, ...
}

// Picklist is one value of a picklist.
type Picklist struct {
	Value   string `json:"value"`
	Label   string `json:"label"`
	Active  bool   `json:"active"`
	Default bool   `json:"defaultValue"`
}

// RecordType is one record type that the user may or may not use.
type RecordType struct {
	ID            string `json:"recordTypeId"`
	Name          string `json:"name"`
	DeveloperName string `json:"developerName"`
	Available     bool   `json:"available"`
	Default       bool   `json:"defaultRecordTypeMapping"`
	Master        bool   `json:"master"`
}

// Required tells whether a value has to be given when a record is created.
func (f *Field) Required() bool { return !f.Nillable && !f.DefaultedOnCreate && f.Createable }

// Field finds a field by its name.
func (o *Object) Field(name string) (*Field, bool) {
	for i := range o.Fields {
		if o.Fields[i].Name == name {
			return &o.Fields[i], true
		}
	}
	return nil, false
}

// Describe describes an object. It asks the org each time, and takes the
// description of the last time if the org says that it still holds (REST API
// guide, "If-Modified-Since"): the answer is short then, but counts as a call.
// Do not change what it returns, others may have it too.
func (c *Client) Describe(ctx context.Context, object string) (*Object, error) {
	r := &request{method: http.MethodGet, path: c.base() + "/sobjects/" + url.PathEscape(object) + "/describe"}
	known, cached := c.described.get(object)
	if cached {
		r.header = http.Header{"If-Modified-Since": {known.modified}}
	}
	var o Object
	var header http.Header
	err := c.authorized(ctx, r, func(tok auth.Token) (err error) {
		header, err = c.once(ctx, r, tok, &o)
		return err
	})
	if e, ok := errors.AsType[*Error](err); ok && cached && e.Status == http.StatusNotModified {
		return known.object, nil
	}
	if err != nil {
		return nil, err
	}
	c.described.put(object, description{&o, header.Get("Last-Modified")})
	return &o, nil
}

// description is an object as it was last described.
type description struct {
	object   *Object
	modified string // Last-Modified, as the org wrote it
}

// descriptions keeps the latest description of each object.
type descriptions struct {
	mu     sync.Mutex
	byName map[string]description // guarded by mu
}

func (d *descriptions) get(name string) (description, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known, ok := d.byName[name]
	return known, ok
}

// put keeps a description that can be asked about again.
func (d *descriptions) put(name string, got description) {
	if got.modified == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byName == nil {
		d.byName = map[string]description{}
	}
	d.byName[name] = got
}
