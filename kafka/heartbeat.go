package kafka

import (
	"context"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/heartbeat"
	"github.com/segmentio/kafka-go/protocol/leavegroup"
)

// heartbeatEvery is the time between two heartbeats.
func heartbeatEvery(session time.Duration) time.Duration { return session / 4 }

// beat keeps the membership alive until ctx ends. It goes on after the generation has ended by a rebalance: the member has
// still to be there while its caller winds down.
//
// The coordinator counts the session from the last heartbeat that it received. We count from when that was sent, and give
// up a tenth of the session early, so that Done is closed before anybody else is given the partitions.
func (gen *Generation) beat(ctx context.Context, alive time.Time) {
	defer close(gen.stopped)
	g := gen.group
	timer := time.NewTimer(0)
	defer timer.Stop()
	session := g.cfg.SessionTimeout * 9 / 10
	for lost := false; ; {
		wait := heartbeatEvery(g.cfg.SessionTimeout)
		left := time.Until(alive.Add(session))
		if left <= 0 && !lost {
			lost = true
			g.client.log.Warn("no heartbeat answered for almost a whole session, the partitions are given up", "group", g.cfg.Group)
			gen.finish(ErrLost)
		}
		if !lost {
			wait = min(wait, left)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		sent := time.Now()
		err := g.beatOnce(ctx, gen, min(session/2, max(time.Until(alive.Add(session)), session/10)))
		switch code, _ := codeOf(err); {
		case ctx.Err() != nil:
			return
		case err == nil:
			alive = sent
			gen.touch(sent, false)
		case code == kafkago.RebalanceInProgress:
			alive = sent
			gen.touch(sent, true)
			gen.finish(nil)
		case code == kafkago.UnknownMemberId || code == kafkago.IllegalGeneration || code == kafkago.FencedInstanceID:
			g.client.log.Warn("group membership lost", "group", g.cfg.Group, "err", err)
			g.forget(gen.MemberID, code)
			gen.finish(ErrLost)
			gen.giveUp()
			return
		default:
			g.client.log.Debug("heartbeat not answered", "group", g.cfg.Group, "err", err)
		}
	}
}

// beatOnce sends one heartbeat. It waits no longer than the caller can: a silent broker must not hide the session's end.
func (g *Group) beatOnce(ctx context.Context, gen *Generation, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	addr, err := g.client.coordinator(ctx, g.key)
	if err != nil {
		return err
	}
	req := &heartbeat.Request{GroupID: g.cfg.Group, GenerationID: gen.ID, MemberID: gen.MemberID}
	err = g.client.onConn(ctx, addr, timeout, func(cn *conn) error {
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
