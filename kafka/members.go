package kafka

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/describegroups"
)

// GroupMember is a member of a group as the coordinator tells it.
type GroupMember struct {
	ID       string
	ClientID string
	Host     string
	UserData []byte
	// Partitions that it has, of all topics that the group shares out; sorted.
	Partitions []int32
}

// GroupMembers lists the members of a group, sorted by id; none when the group does not exist. While the group rebalances
// the coordinator does not tell who has what.
func (c *Client) GroupMembers(ctx context.Context, group string) ([]GroupMember, error) {
	m, err := c.callCoordinator(ctx, coordinatorKey{group, groupCoordinator}, requestTimeout,
		&describegroups.Request{Groups: []string{group}}, func(m protocol.Message) int16 {
			for _, g := range m.(*describegroups.Response).Groups {
				return g.ErrorCode
			}
			return 0
		})
	if err != nil {
		return nil, fmt.Errorf("describe group %s: %w", group, err)
	}
	var members []GroupMember
	for _, g := range m.(*describegroups.Response).Groups {
		for _, m := range g.Members {
			member := GroupMember{ID: m.MemberID, ClientID: m.ClientID, Host: m.ClientHost}
			// Members of other programs may speak another embedded protocol; then these two stay empty.
			if s, err := parseSubscription(m.MemberMetadata); err == nil {
				member.UserData = s.userData
			}
			member.Partitions = allPartitions(m.MemberAssignment)
			members = append(members, member)
		}
	}
	slices.SortFunc(members, func(a, b GroupMember) int { return cmp.Compare(a.ID, b.ID) })
	return members, nil
}

func allPartitions(assignment []byte) (all []int32) {
	if len(assignment) == 0 {
		return nil
	}
	c := cursor{buf: assignment}
	c.take(2) // version
	for _, ps := range topicPartitions(&c) {
		all = append(all, ps...)
	}
	if c.err != nil {
		return nil
	}
	slices.Sort(all)
	return all
}
