package orgsim

// ControlRoutes lists the calls of the control API.
func (o *Org) ControlRoutes() []string { return sortedKeys(o.web.control.routes()) }
