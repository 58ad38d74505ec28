package resolver

// Watch is a channel's side of a call of [Resolver.Watch].
type Watch struct {
	target string
	report func([]Address, error)
	again  chan struct{} // capacity 1
}

// NewWatch makes a Watch of target whose Report is report. Channels make their own; it is for
// tests of resolvers, and for resolvers that change what others report.
func NewWatch(target string, report func(addresses []Address, err error)) *Watch {
	return &Watch{target: target, report: report, again: make(chan struct{}, 1)}
}

// Target is the target as NewChannel was given it. See [Name].
func (w *Watch) Target() string { return w.target }

// Report tells the channel all addresses that there are now, in the order in which to try
// them, or, if err is not nil, why they are not known. It keeps no part of addresses. When
// Watch has returned or its context has ended it does nothing.
func (w *Watch) Report(addresses []Address, err error) { w.report(addresses, err) }

// ResolveNow delivers a value when the addresses may have changed, because a connection was
// lost or could not be made. It is a hint for resolvers that have to ask. A hint comes at
// the earliest 30 s after the call of Watch, or after the last hint; those that nobody has
// taken are merged into one.
func (w *Watch) ResolveNow() <-chan struct{} { return w.again }

// Hint makes ResolveNow deliver. It does not wait. Channels call it, and resolvers that
// pass hints on to others.
func (w *Watch) Hint() {
	select {
	case w.again <- struct{}{}:
	default:
	}
}
