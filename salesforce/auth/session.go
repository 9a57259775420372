package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"sfbridge/internal/backoff"
)

// Session holds the one token of an org's user. It is safe for use by many
// goroutines, and starts none that outlives the login it is for.
type Session struct {
	cfg     Config
	http    *http.Client
	log     *slog.Logger
	metrics *metrics
	refresh refreshChain // of the login under way

	mu        sync.Mutex // guards what follows; no call goes out under it
	current   Token
	spent     Secret // access-token: the text that the org refused
	flight    *flight
	logins    uint64
	failed    int       // logins refused in a row
	lastErr   error     // of the last login, while failed > 0
	quick     int       // logins in a row whose token did not last
	notBefore time.Time // no login sooner
}

// flight is one login and those who wait for it.
type flight struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiting int
	token   Token
	err     error
}

var (
	// afterRefusal spaces logins that Salesforce refused; until the next one
	// is due, callers get the same answer without a call. A wrong password
	// tried at full speed locks the user.
	afterRefusal = backoff.Policy{Base: 5 * time.Second, Max: 5 * time.Minute}
	// afterUnusable does so where no login was tried: a secret cannot be read,
	// or the access token given is spent. Looking again locks nobody out.
	afterUnusable = backoff.Policy{Base: time.Second, Max: 15 * time.Second}
	// afterFailure does so where Salesforce was not reached or was busy.
	afterFailure = backoff.Policy{Base: 500 * time.Millisecond, Max: 20 * time.Second}
	// afterQuick spaces logins that succeed but whose tokens are refused soon.
	afterQuick = backoff.Policy{Base: time.Second, Max: time.Minute}
)

// New checks the configuration, without a call to the network, and returns a
// session that logs in when a token is first asked for.
func New(cfg Config) (*Session, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Session{
		cfg:     cfg,
		http:    newHTTPClient(cfg.HTTPClient),
		log:     cfg.Logger.With("component", "auth"),
		metrics: newMetrics(cfg.Registerer),
	}
	if cfg.Method == MethodUsernamePassword {
		s.log.Warn("username-password is deprecated and blocked by default in new orgs, prefer jwt-bearer")
	}
	return s, nil
}

// Token returns the token in force, logging in first if there is none. All
// callers share one login at a time; a caller whose ctx ends leaves the login
// to the others. After a failed login the same error is returned, without a
// call, until the next try is due. Errors of Salesforce are *Error; Retryable
// tells whether waiting can help.
func (s *Session) Token(ctx context.Context) (Token, error) {
	s.mu.Lock()
	if s.current.AccessToken != "" {
		defer s.mu.Unlock()
		return s.current, nil
	}
	f := s.flight
	if f == nil {
		if s.failed > 0 && time.Now().Before(s.notBefore) {
			defer s.mu.Unlock()
			return Token{}, s.lastErr
		}
		f = s.startLogin()
	}
	f.waiting++
	s.mu.Unlock()

	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		s.leave(f)
		return Token{}, fmt.Errorf("log in: %w", context.Cause(ctx))
	}
}

// leave counts a waiting caller out and ends a login that nobody waits for.
// A refresh goes on: its answer may hold the only valid refresh token.
func (s *Session) leave(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.waiting--
	if f.waiting == 0 && s.cfg.Method != MethodRefreshToken {
		f.cancel()
		if s.flight == f {
			s.flight = nil
		}
	}
}

// startLogin begins a login; s.mu is held.
func (s *Session) startLogin() *flight {
	ctx, cancel := context.WithCancel(context.Background())
	f := &flight{done: make(chan struct{}), cancel: cancel}
	s.flight = f
	pause := time.Until(s.notBefore)
	go func() {
		defer cancel()
		err := backoff.Sleep(ctx, pause)
		var tok Token
		if err == nil {
			bounded, stop := context.WithTimeout(ctx, s.cfg.LoginTimeout)
			tok, err = s.login(bounded)
			stop()
		}
		s.settle(f, tok, err)
	}()
	return f
}

// settle stores what a login gave and wakes its callers.
func (s *Session) settle(f *flight, tok Token, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	if s.flight != f { // everybody left; what it gave is nobody's
		f.err = context.Canceled
		return
	}
	s.flight = nil
	if err != nil {
		s.refused(f, err)
		return
	}
	s.metrics.logins.WithLabelValues("success").Inc()
	s.logins++
	tok.login = s.logins
	tok.ObtainedAt = time.Now()
	s.current, s.failed, s.lastErr, s.notBefore = tok, 0, nil, time.Time{}
	f.token = tok
	s.log.Info("logged in", "method", s.cfg.Method, "instance", tok.InstanceURL, "org_id", tok.OrgID)
}

// refused notes a failed login and sets when the next may be tried; s.mu is held.
func (s *Session) refused(f *flight, err error) {
	s.failed++
	policy, outcome := afterRefusal, "refused"
	switch _, unread := errors.AsType[*ConfigError](err); {
	case unread || errors.Is(err, ErrTokenInvalid):
		policy = afterUnusable
	case Retryable(err):
		policy, outcome = afterFailure, "failed"
	}
	s.metrics.logins.WithLabelValues(outcome).Inc()
	s.notBefore = time.Now().Add(policy.Wait(s.failed, 0))
	as := ""
	if s.cfg.Username != "" {
		as = " as " + s.cfg.Username
	}
	s.lastErr = fmt.Errorf("log in to %s by %s%s: %w", s.where(), s.cfg.Method, as, err)
	f.err = s.lastErr
}

func (s *Session) where() string {
	if s.cfg.Method == MethodAccessToken {
		return s.cfg.InstanceURL
	}
	return s.cfg.TokenURL
}

// lasting is how long a token has to be taken before its end counts as normal.
const lasting = time.Minute

// Invalidate says that the org refused this token, so that the next call of
// Token logs in, with the secrets as they are then. A token that is no longer
// the current one changes nothing, so many clients may report the same one.
// Logins whose tokens are refused at once are spaced further and further apart.
func (s *Session) Invalidate(tok Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.AccessToken == "" || !s.current.same(tok) {
		return
	}
	if time.Since(s.current.ObtainedAt) < lasting {
		s.quick++
	} else {
		s.quick = 0
	}
	if free := 2; s.quick > free {
		s.notBefore = time.Now().Add(afterQuick.Wait(s.quick-free, 0))
	}
	s.spent, s.current = s.current.AccessToken, Token{}
	s.metrics.invalidated.Inc()
	s.log.Info("token no longer taken, logging in when next needed", "org_id", tok.OrgID)
}
