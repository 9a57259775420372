package orgsim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ChannelDef is a channel of several kinds of event: /data/Sales__chn,
// /data/ChangeEvents or /event/Ops__chn.
type ChannelDef struct {
	Name    string          `yaml:"name"`
	Members []ChannelMember `yaml:"members"`
}

// ChannelMember is one object or platform event on a channel. Enriched names
// the fields whose values ride along on UPDATE and DELETE events.
type ChannelMember struct {
	Object   string   `yaml:"object"`
	Enriched []string `yaml:"enriched"`
}

// standardChannel carries every captured object.
const standardChannel = "/data/ChangeEvents"

// maxEnriched is how many enriched fields a member may have.
const maxEnriched = 10

// SetChannel adds a custom channel, or puts another in its place. The objects
// of a /data channel become captured. For /data/ChangeEvents the members name
// what is enriched; it carries every captured object all the same.
func (o *Org) SetChannel(def ChannelDef) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.setChannel(def)
}

func (o *Org) setChannel(def ChannelDef) error {
	data := strings.HasPrefix(def.Name, "/data/")
	custom := strings.HasSuffix(def.Name, "__chn") && (data || strings.HasPrefix(def.Name, "/event/"))
	if !custom && def.Name != standardChannel {
		return fmt.Errorf("channel %q: want /data/<Name>__chn, /event/<Name>__chn or %s", def.Name, standardChannel)
	}
	for _, m := range def.Members {
		t := o.table(m.Object)
		if t == nil || t.def.Event == data {
			return fmt.Errorf("channel %s: member %s: no such object or platform event for this kind of channel", def.Name, m.Object)
		}
		if len(m.Enriched) > maxEnriched {
			return fmt.Errorf("channel %s: member %s: %d enriched fields, at most %d are possible", def.Name, m.Object, len(m.Enriched), maxEnriched)
		}
		for _, name := range m.Enriched {
			if _, ok := t.schema.byName[name]; !ok {
				return fmt.Errorf("channel %s: member %s: enriched field %s is not in its change event", def.Name, m.Object, name)
			}
		}
	}
	for _, m := range def.Members {
		t := o.table(m.Object)
		o.captured[t.def.Name] = true
		if len(m.Enriched) > 0 {
			o.detailed[t.def.Name] = true
		}
	}
	o.channels[def.Name] = def
	return nil
}

// Capture says whether an object has change events.
func (o *Org) Capture(object string, on bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.table(object)
	if t == nil || t.def.Event {
		return fmt.Errorf("capture %q: no such object", object)
	}
	if on {
		o.captured[t.def.Name] = true
	} else {
		delete(o.captured, t.def.Name)
	}
	return nil
}

// view is a channel as one subscription sees it.
type view struct {
	name     string
	entities []string
	enriched map[string][]string // fields by object
	single   *table              // the one object or platform event of a channel that has one
	multi    bool
}

// view resolves a channel by its name, which is case-sensitive.
func (o *Org) view(name string) (view, bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if name == standardChannel {
		v := view{name: name, multi: true, entities: slices.Sorted(maps.Keys(o.captured))}
		v.enriched = enrichedFields(o.channels[name])
		return v, true
	}
	if def, ok := o.channels[name]; ok {
		v := view{name: name, multi: true, enriched: enrichedFields(def)}
		for _, m := range def.Members {
			v.entities = append(v.entities, o.table(m.Object).def.Name)
		}
		return v, true
	}
	for _, t := range o.tables {
		if t.def.Channel() == name {
			return view{name: name, entities: []string{t.def.Name}, single: t}, true
		}
	}
	return view{}, false
}

func enrichedFields(def ChannelDef) map[string][]string {
	out := map[string][]string{}
	for _, m := range def.Members {
		if len(m.Enriched) > 0 {
			out[m.Object] = m.Enriched
		}
	}
	return out
}

// without leaves out the objects that a user may not see.
func (v view) without(a Access) view {
	v.entities = slices.DeleteFunc(slices.Clone(v.entities), a.forbids)
	return v
}

// Channels lists the names of all channels.
func (o *Org) Channels() []string {
	o.mu.RLock()
	defer o.mu.RUnlock()
	names := map[string]bool{standardChannel: true}
	for _, t := range o.tables {
		if t.def.Event || o.captured[t.def.Name] {
			names[t.def.Channel()] = true
		}
	}
	for name := range o.channels {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Captured tells whether an object has change events.
func (o *Org) Captured(object string) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	t := o.table(object)
	return t != nil && o.captured[t.def.Name]
}
