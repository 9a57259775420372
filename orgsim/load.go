package orgsim

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v4"
)

// maxFileBytes bounds what is read from a file of objects or faults.
const maxFileBytes = 4 << 20

// objectsFile is a YAML file of objects: more of them, and what is captured
// how.
type objectsFile struct {
	Objects  []ObjectDef  `yaml:"objects"`
	Channels []ChannelDef `yaml:"channels"`
}

// LoadObjects reads objects and channels from YAML, such as
//
//	objects:
//	  - name: Invoice__c
//	    fields:
//	      - {name: Number__c, type: string, length: 20, external_id: true, unique: true}
//	      - {name: Total__c, type: currency, scale: 2}
//
// Keys that nobody knows are errors. The objects are checked when an org is
// made with them.
func LoadObjects(r io.Reader) ([]ObjectDef, []ChannelDef, error) {
	var f objectsFile
	if err := loadYAML(r, &f); err != nil {
		return nil, nil, fmt.Errorf("load objects: %w", err)
	}
	for i := range f.Objects {
		for j, field := range f.Objects[i].Fields {
			if field == nil {
				return nil, nil, fmt.Errorf("load objects: object %s: field %d is empty", f.Objects[i].Name, j+1)
			}
		}
	}
	return f.Objects, f.Channels, nil
}

// LoadFaults reads faults from YAML, such as
//
//	faults:
//	  - {kind: status, error_code: service.unavailable, channel: /data/AccountChangeEvent, after: 100}
//	  - {kind: stall, at: 30s, delay: 2m}
func LoadFaults(r io.Reader) ([]Fault, error) {
	var f struct {
		Faults []Fault `yaml:"faults"`
	}
	if err := loadYAML(r, &f); err != nil {
		return nil, fmt.Errorf("load faults: %w", err)
	}
	for i := range f.Faults {
		if err := f.Faults[i].check(); err != nil {
			return nil, fmt.Errorf("load faults: fault %d: %w", i+1, err)
		}
	}
	return f.Faults, nil
}

func loadYAML(r io.Reader, out any) error {
	text, err := io.ReadAll(io.LimitReader(r, maxFileBytes+1))
	if err != nil {
		return err
	}
	if len(text) > maxFileBytes {
		return fmt.Errorf("more than %d bytes", maxFileBytes)
	}
	l, err := yaml.NewLoader(bytes.NewReader(text), yaml.WithKnownFields())
	if err != nil {
		return err
	}
	if err := l.Load(out); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// UnmarshalYAML accepts a bare value as well as a mapping.
func (p *PicklistValue) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*p = PicklistValue{Value: n.Value, Label: n.Value}
		return nil
	}
	type plain PicklistValue
	if err := n.Decode((*plain)(p)); err != nil {
		return err
	}
	if p.Label == "" {
		p.Label = p.Value
	}
	return nil
}
