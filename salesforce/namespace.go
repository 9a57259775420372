package salesforce

import "strings"

// Namespace is the prefix of a managed package in an org. The configuration
// names custom objects and fields without it; this is the one place that puts
// it on: Order__c, Total__c, Buyer__r.Ext__c, Order__ChangeEvent.
type Namespace string

// Name puts the prefix on a custom name that has none: to each part of a path,
// and behind the type of a polymorphic one. Standard names stay, and so do
// names with the prefix of any package.
func (n Namespace) Name(name string) string {
	if n == "" || !strings.Contains(name, "__") {
		return name
	}
	var b strings.Builder
	for name != "" {
		end := strings.IndexAny(name, ".:/")
		if end < 0 {
			end = len(name)
		}
		if bare(name[:end]) {
			b.WriteString(string(n))
			b.WriteString("__")
		}
		b.WriteString(name[:end])
		name = name[end:]
		if name != "" {
			b.WriteByte(name[0])
			name = name[1:]
		}
	}
	return b.String()
}

// bare tells whether a custom name has no prefix. Two underscores stand before
// the suffix and behind the prefix and nowhere else, except in a part of a
// custom compound field: Ship_To__City__s.
func bare(name string) bool {
	if strings.HasSuffix(name, "__s") {
		return strings.Count(name, "__") == 2
	}
	return strings.Count(name, "__") == 1
}
