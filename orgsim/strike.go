package orgsim

import (
	"time"
)

// http2EnhanceYourCalm is the code of a GOAWAY against too many pings.
const http2EnhanceYourCalm = 11

// apply does to a subscription what the fault says. over tells that the call
// ends with err.
func (f *Fault) apply(sub *subscription) (err error, over bool) {
	switch f.Kind {
	case FaultSlow:
		sub.slow = f.Delay
		return nil, false
	case FaultGarbage, FaultUnknownSchema:
		f.garble(sub)
		return nil, false
	case FaultStall:
		return sub.stall(f.Delay)
	case FaultEnd:
		return sub.done(nil), true
	case FaultStatus:
		return sub.fail(sub.ctx, f.refusal()), true
	case FaultRestart:
		sub.org.EndStreams()
		return sub.over(sub.ctx.Err()), true
	case FaultMoveOrg:
		sub.org.MoveOrg()
		return sub.over(sub.ctx.Err()), true
	case FaultRevoke:
		sub.org.RevokeAll(true)
		return sub.over(sub.ctx.Err()), true
	}
	return f.breakConn(sub)
}

// stall keeps the stream open and silent; requests still arrive and are not
// looked at.
func (sub *subscription) stall(d time.Duration) (error, bool) {
	if d == 0 {
		<-sub.ctx.Done()
		return sub.over(sub.ctx.Err()), true
	}
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil, false
	case <-sub.ctx.Done():
		return sub.over(sub.ctx.Err()), true
	}
}

// garble spoils the next event of the subscription.
func (f *Fault) garble(sub *subscription) {
	bf, ok := sub.feed.(*busFeed)
	if !ok {
		return
	}
	kind, size := f.Kind, sub.org.bus.idBytes
	bf.garble = func(e *stored) []byte {
		payload, schemaID := e.payload, e.schemaID
		if kind == FaultGarbage {
			payload = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
		} else {
			schemaID = "NoSuchSchema0000000000"
		}
		return appendConsumerEvent(nil, e.uuid, schemaID, payload, replayID(e.counter, size))
	}
}

// flushTime lets what was sent before reach the connection: gRPC writes in a
// goroutine of its own.
const flushTime = 5 * time.Millisecond

// breakConn does what can only be done to the connection underneath. On a
// server that is not the org's own the stream just ends.
func (f *Fault) breakConn(sub *subscription) (error, bool) {
	conn := connOf(sub.ctx)
	if conn == nil {
		return sub.fail(sub.ctx, errUnavailable()), true
	}
	if err, over := sub.stall(flushTime); over {
		return err, true
	}
	switch f.Kind {
	case FaultBlackhole:
		conn.freeze()
	case FaultReset:
		marker := sub.org.newUUID()
		conn.resetOn([]byte(marker))
		resp := sub.org.buffers.newResponse()
		resp.finish(nil, marker, 0)
		if err := sub.send(resp); err != nil {
			return sub.over(err), true
		}
	case FaultGoAway:
		code := uint32(0)
		if f.Message == "too_many_pings" {
			code = http2EnhanceYourCalm
		}
		if err := conn.goAway(code, f.Message); err != nil {
			sub.org.log.Debug("write goaway", "err", err)
		}
		if err, over := sub.stall(max(f.Delay, flushTime)); over {
			return err, true
		}
		sub.closeConn(conn)
	case FaultDisconnect:
		sub.closeConn(conn)
	}
	// The stream must not end in an orderly way: it waits until the
	// connection is gone, or the org closes.
	<-sub.ctx.Done()
	return sub.over(sub.ctx.Err()), true
}

func (sub *subscription) closeConn(conn *faultConn) {
	if err := conn.Close(); err != nil {
		sub.org.log.Debug("close connection", "err", err)
	}
}
