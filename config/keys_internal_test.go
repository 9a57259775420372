package config

import (
	"reflect"
	"testing"
)

// Each exported field of a section belongs to exactly one key, so that no
// value of the file gets lost and none stays at zero.
func TestKeys_BindEveryFieldOnce(t *testing.T) {
	for _, s := range []section{
		new(Config), new(Log), new(Org), new(Auth), new(Kafka), new(TLS), new(SASL), new(Topics), new(SchemaRegistry), new(Capture),
		new(Writeback), new(Publish),
	} {
		bound := make(map[uintptr]string)
		for _, k := range s.keys() {
			p := reflect.ValueOf(k.to).Pointer()
			if other, ok := bound[p]; ok {
				t.Errorf("%T: %s and %s share a field", s, other, k.name)
			}
			bound[p] = k.name
		}
		v := reflect.ValueOf(s).Elem()
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && bound[v.Field(i).Addr().Pointer()] == "" {
				t.Errorf("%T: no key for the field %s", s, f.Name)
			}
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"a", "", 1},
		{"", "ab", 2},
		{"org", "org", 0},
		{"ogr", "org", 1},
		{"brokrs", "brokers", 1},
		{"kitten", "sitting", 3},
		{"topic", "topics", 1},
		{"abcd", "badc", 2},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if distance(tt.a, tt.b) != distance(tt.b, tt.a) {
			t.Errorf("distance of %q and %q depends on the order", tt.a, tt.b)
		}
	}
}

func TestBytes_StringParsesBack(t *testing.T) {
	for _, b := range []Bytes{0, 1, 1023, 1024, 1 << 20, 16 << 20, 3 << 30, 1e6, 1<<62 + 1} {
		if got, is := parseBytes(b.String()); is != nil || got != b {
			t.Errorf("%d is written %s and read as %d, %v", b, b, got, is)
		}
	}
}
