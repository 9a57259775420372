package orgsim

// Fault is one thing that goes wrong on demand.
type Fault struct {
	Kind string `yaml:"kind"`
}
