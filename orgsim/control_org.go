package orgsim

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"sfbridge/event"
)

// publish puts a platform event on the bus.
func (k *control) publish(r *http.Request) (any, error) {
	var in struct {
		Event  string         `json:"event"`
		Fields map[string]any `json:"fields"`
		Client string         `json:"client"`
	}
	text, err := io.ReadAll(r.Body)
	if err == nil {
		err = decodeJSON(text, &in)
	}
	if err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	def := k.org.Object(in.Event)
	if def == nil || !def.Event {
		return nil, fmt.Errorf("publish %q: no such platform event", in.Event)
	}
	values, err := operation{Fields: in.Fields}.values(def, nil)
	if err != nil {
		return nil, err
	}
	uuid, replay, err := k.org.PublishEvent(r.Context(), Caller{API: "rest", Client: in.Client}, def.Name, values)
	if err != nil {
		return nil, err
	}
	return map[string]any{"uuid": uuid, "replay_id": replay}, nil
}

// injectHTTP makes calls of the REST API fail.
func (k *control) injectHTTP(r *http.Request) (any, error) {
	var f HTTPFault
	if err := read(r, &f); err != nil {
		return nil, err
	}
	k.org.InjectHTTP(f)
	return map[string]any{"injected": f}, nil
}

// newToken makes an access token, for clients that bring none of their own.
func (k *control) newToken(r *http.Request) (any, error) {
	var in struct {
		Username string `yaml:"username"`
	}
	in.Username = k.org.Username()
	if err := read(r, &in); err != nil {
		return nil, err
	}
	u, ok := k.org.userByName(in.Username)
	if !ok {
		return nil, fmt.Errorf("new token: no user %q", in.Username)
	}
	token, _ := k.org.web.oauth.open(u.ID, "")
	return map[string]string{"access_token": token, "user_id": u.ID, "org_id": k.org.OrgID()}, nil
}

// newRefreshToken makes a refresh token, as an interactive login would.
func (k *control) newRefreshToken(r *http.Request) (any, error) {
	in := struct {
		ClientID string `yaml:"client_id"`
		Username string `yaml:"username"`
	}{DefaultClientID, k.org.Username()}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	token, err := k.org.IssueRefreshToken(in.ClientID, in.Username)
	if err != nil {
		return nil, err
	}
	return map[string]string{"refresh_token": token}, nil
}

// expireTokens ends the access tokens; open streams go on, as they do.
func (k *control) expireTokens(*http.Request) (any, error) {
	return map[string]int{"ended": k.org.ExpireTokens()}, nil
}

// revokeTokens ends one token, or all of them, and the open streams if asked.
func (k *control) revokeTokens(r *http.Request) (any, error) {
	var in struct {
		Token      string `yaml:"token"`
		EndStreams bool   `yaml:"end_streams"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if in.Token != "" {
		return map[string]bool{"ended": k.org.RevokeToken(in.Token)}, nil
	}
	k.org.RevokeAll(in.EndStreams)
	return map[string]bool{"ended": true}, nil
}

// endStreams ends the open streams as a restart of the service does.
func (k *control) endStreams(*http.Request) (any, error) {
	n := k.org.OpenStreams()
	k.org.EndStreams()
	return map[string]int{"ended": n}, nil
}

type emitRequest struct {
	Object string           `yaml:"object"`
	Type   event.ChangeType `yaml:"type"`
	IDs    []string         `yaml:"ids"`
}

func emitted(res Result, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return map[string]any{"transaction_key": res.TransactionKey, "events": res.Events}, nil
}

// gap stores a gap event for some records.
func (k *control) gap(r *http.Request) (any, error) {
	in := emitRequest{Type: event.GapUpdate}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	return emitted(k.org.EmitGap(r.Context(), in.Object, in.Type, in.IDs...))
}

// overflow stores a GAP_OVERFLOW event.
func (k *control) overflow(r *http.Request) (any, error) {
	var in emitRequest
	if err := read(r, &in); err != nil {
		return nil, err
	}
	return emitted(k.org.EmitOverflow(r.Context(), in.Object))
}

// wildcard stores the event of a field's conversion.
func (k *control) wildcard(r *http.Request) (any, error) {
	var in emitRequest
	if err := read(r, &in); err != nil {
		return nil, err
	}
	return emitted(k.org.EmitWildcard(r.Context(), in.Object))
}

// move moves the org to another instance.
func (k *control) move(r *http.Request) (any, error) {
	var in struct {
		InstanceURL string `yaml:"instance_url"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if in.InstanceURL != "" {
		k.org.SetInstanceURL(in.InstanceURL)
	}
	k.org.MoveOrg()
	return map[string]bool{"moved": true}, nil
}

// alterRequest changes the definition of an object.
type alterRequest struct {
	Object string      `yaml:"object"`
	Add    []*FieldDef `yaml:"add"`
	Before string      `yaml:"before"` // the field that the new ones stand in front of; empty = at the end
	Remove []string    `yaml:"remove"`
	Change []*FieldDef `yaml:"change"` // whole new definitions of fields that are there
}

// alter adds, removes and changes fields while events stay stored.
func (k *control) alter(r *http.Request) (any, error) {
	var in alterRequest
	if err := read(r, &in); err != nil {
		return nil, err
	}
	def := k.org.Object(in.Object)
	if def == nil {
		return nil, fmt.Errorf("alter object %q: no such object", in.Object)
	}
	names := append(slices.Clone(in.Remove), in.Before)
	if slices.Contains(in.Add, nil) || slices.Contains(in.Change, nil) {
		return nil, fmt.Errorf("alter object %s: a field is empty", def.Name)
	}
	for _, f := range in.Change {
		names = append(names, f.Name)
	}
	for _, name := range names {
		if name != "" && def.Field(name) == nil {
			return nil, fmt.Errorf("alter object %s: no field %q", def.Name, name)
		}
	}
	if err := k.org.AlterObject(def.Name, in.apply); err != nil {
		return nil, err
	}
	id, _, err := k.org.EventSchema(k.org.Object(def.Name).EventName())
	return map[string]any{"schema_id": id}, err
}

// apply edits a definition.
func (in *alterRequest) apply(def *ObjectDef) {
	def.Fields = slices.DeleteFunc(def.Fields, func(f *FieldDef) bool { return slices.Contains(in.Remove, f.Name) })
	for i, f := range def.Fields {
		for _, change := range in.Change {
			if change.Name == f.Name {
				def.Fields[i] = change
			}
		}
	}
	at := slices.IndexFunc(def.Fields, func(f *FieldDef) bool { return f.Name == in.Before })
	if at < 0 {
		at = len(def.Fields)
	}
	def.Fields = slices.Insert(def.Fields, at, in.Add...)
}

// channel adds a custom channel, or replaces one.
func (k *control) channel(r *http.Request) (any, error) {
	var in ChannelDef
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if err := k.org.SetChannel(in); err != nil {
		return nil, err
	}
	return map[string]any{"channels": k.org.Channels()}, nil
}

// capture switches change events of an object on or off.
func (k *control) capture(r *http.Request) (any, error) {
	in := struct {
		Object string `yaml:"object"`
		On     bool   `yaml:"on"`
	}{On: true}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if err := k.org.Capture(in.Object, in.On); err != nil {
		return nil, err
	}
	return map[string]any{"object": in.Object, "on": in.On}, nil
}

// access says what a user may not see.
func (k *control) access(r *http.Request) (any, error) {
	in := struct {
		UserID    string              `yaml:"user_id"`
		Forbidden []string            `yaml:"forbidden"`
		Hidden    map[string][]string `yaml:"hidden"`
	}{UserID: k.org.IntegrationUser()}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if _, ok := k.org.userByID(in.UserID); !ok {
		return nil, errors.New("access: no user " + in.UserID)
	}
	k.org.SetAccess(in.UserID, Access{Forbidden: in.Forbidden, Hidden: in.Hidden})
	return map[string]any{"user_id": in.UserID, "forbidden": in.Forbidden, "hidden": in.Hidden}, nil
}
