package kafka

import (
	"context"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/heartbeat"
	"github.com/segmentio/kafka-go/protocol/leavegroup"
)

// beat keeps the membership alive until ctx ends. It goes on after the generation has ended by a rebalance: the member has
// still to be there while its caller winds down.
func (gen *Generation) beat(ctx context.Context) {
	defer close(gen.stopped)
	g := gen.group
	tick := time.NewTicker(g.cfg.SessionTimeout / 4)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := g.beatOnce(ctx, gen)
		switch code, _ := codeOf(err); {
		case ctx.Err() != nil:
			return
		case err == nil:
			last = time.Now()
		case code == kafkago.RebalanceInProgress:
			last = time.Now()
			gen.finish(nil)
		case code == kafkago.UnknownMemberId || code == kafkago.IllegalGeneration || code == kafkago.FencedInstanceID:
			g.client.log.Warn("group membership lost", "group", g.cfg.Group, "err", err)
			g.forget(gen.MemberID, code)
			gen.finish(ErrLost)
			return
		case time.Since(last) > g.cfg.SessionTimeout:
			gen.finish(ErrLost) // nobody told us, but the session has run out
		default:
			g.client.log.Debug("heartbeat not answered", "group", g.cfg.Group, "err", err)
		}
	}
}

// beatOnce sends one heartbeat. It may not take longer than half the session, or its failure would be noticed too late.
func (g *Group) beatOnce(ctx context.Context, gen *Generation) error {
	addr, err := g.client.coordinator(ctx, g.key)
	if err != nil {
		return err
	}
	req := &heartbeat.Request{GroupID: g.cfg.Group, GenerationID: gen.ID, MemberID: gen.MemberID}
	err = g.client.onConn(ctx, addr, g.cfg.SessionTimeout/2, func(cn *conn) error {
		data, version, err := cn.exchange(req, maxSmallResponse)
		if err != nil {
			return err
		}
		return throttledCode(data, version)
	})
	if code, ok := codeOf(err); err != nil && (!ok || movedCode(code)) {
		g.client.forgetCoordinator(g.key)
	}
	return err
}

// leaveGroup takes one member out.
func (c *Client) leaveGroup(ctx context.Context, addr, group, member string) error {
	req := &leavegroup.Request{GroupID: group, MemberID: member, Members: []leavegroup.RequestMember{{MemberID: member}}}
	return c.onConn(ctx, addr, requestTimeout, func(cn *conn) error {
		data, version, err := cn.exchange(req, maxSmallResponse)
		if err != nil {
			return err
		}
		return throttledCode(data, version)
	})
}

// maxSmallResponse bounds responses that hold little more than a code.
const maxSmallResponse = 1 << 20

// throttledCode reads the error code of a Heartbeat or LeaveGroup response, version 0 to 3. kafka-go 0.4 reads these two in
// the wrong order, code before throttle time, and so takes every answer for success.
func throttledCode(data []byte, version int16) error {
	c := cursor{buf: data}
	if version >= 1 {
		c.take(4) // throttle time
	}
	if code := c.int16(); code != 0 {
		return kafkago.Error(code)
	}
	return c.err
}
