package rows

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"sfbridge/salesforce"
)

// lineBreaks makes every line break LF: CSV knows one kind only, and a row
// shall not depend on the API that wrote it.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// plainText is the text of a text, a number by its digits, or a boolean.
func plainText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		if !utf8.ValidString(v) {
			return "", errors.New("text that is not UTF-8: decode it before it comes into the topic")
		}
		if strings.IndexByte(v, '\r') >= 0 {
			v = lineBreaks.Replace(v)
		}
		return v, nil
	case json.Number:
		return salesforce.Digits(v)
	case bool:
		if v {
			return "true", nil
		}
		return "false", nil
	}
	return "", wrongKind(v, "text", "name a part of it, or write toJSON(...) for the whole")
}

// textOf takes text of at most length UTF-16 units, 0 for any. Nothing is ever
// cut. The org trims what it stores and takes empty text for null.
func textOf(length int) converter {
	return func(v any) (Kind, string, error) {
		s, err := plainText(v)
		if err != nil {
			return 0, "", err
		}
		return checkedText(s, length)
	}
}

func checkedText(s string, length int) (Kind, string, error) {
	if s == "" || strings.Trim(s, " ") == "" {
		return Null, "", nil
	}
	if length > 0 && len(s) > length {
		if n := salesforce.TextLength(strings.TrimSpace(s)); n > length {
			return 0, "", withCode(codeTooLong, fmt.Errorf("%d characters, and the field holds %d (an emoji counts as two or more): "+
				"make the field longer, or cut the text in an expression", n, length))
		}
	}
	return Text, s, nil
}

// base64Text takes bytes as the decoders give them.
func base64Text(v any) (Kind, string, error) {
	s, ok := v.(string)
	if !ok {
		return 0, "", wrongKind(v, "bytes as base64 text", "toBase64(...) makes it")
	}
	if s == "" {
		return Null, "", nil
	}
	if _, err := base64.StdEncoding.DecodeString(s); err != nil {
		return 0, "", errors.New("text that is not base64: toBase64(...) makes it")
	}
	return Text, s, nil
}
