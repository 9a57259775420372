package orgsim

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
