package orgsim

func (c *call) publish(def *ObjectDef) error        { return errNotFound() }
func (c *call) eventSchemaByID(id string) error     { return errNotFound() }
func (c *call) eventSchemaByName(name string) error { return errNotFound() }
func (c *call) composite(path []string) error       { return errNotFound() }
