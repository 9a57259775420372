package rows

import (
	"errors"
	"strings"

	"sfbridge/internal/expression"
	"sfbridge/internal/flow"
)

// operation tells what is done for a record, "" for nothing.
func (m *Mapper) operation(in *expression.Input) (Operation, error) {
	op, err := m.wanted(in)
	if err != nil || op == "" {
		return op, err
	}
	if err := m.may(op); err != nil {
		return op, &Rejection{Reason: flow.Permission, Err: err}
	}
	return op, nil
}

func (m *Mapper) wanted(in *expression.Input) (Operation, error) {
	if in.Value == nil {
		switch m.cfg.OnTombstone {
		case TombstoneIgnore:
			return "", nil
		case TombstoneReject:
			return "", &Rejection{Reason: flow.BadOperation, Err: errors.New("the record is a tombstone, and on_tombstone says to reject these")}
		}
		return Delete, nil
	}
	if m.operationFrom == nil {
		return m.cfg.Operation, nil
	}
	v, present, err := m.operationFrom.Eval(in)
	switch {
	case err != nil:
		return "", &Rejection{Reason: flow.BadMapping, Err: wrap("operation_from", err)}
	case (!present || v == nil) && m.cfg.Operation != "":
		return m.cfg.Operation, nil
	case !present || v == nil:
		return "", &Rejection{Reason: flow.BadOperation, Err: errors.New("operation_from gives nothing for the record, and there is no operation for those")}
	}
	word, err := plainText(v)
	if err != nil {
		return "", &Rejection{Reason: flow.BadOperation, Err: wrap("operation_from", err)}
	}
	if op, ok := m.cfg.Operations[word]; ok {
		return op, nil
	}
	for _, op := range everyOperation {
		if strings.EqualFold(strings.TrimSpace(word), string(op)) {
			return op, nil
		}
	}
	return "", &Rejection{Reason: flow.BadOperation, Err: errors.New("operation_from gives a word that is neither an operation nor among operations: add it there")}
}
