package orgsim

// prepared is a channel whose events are made beforehand.
type prepared struct{}

func (p *prepared) feed() feed { return nil }
