package station

// Tenant is a call while it lives on a station.
type Tenant interface {
	// Evict ends the call, because the environment is being closed. It is called
	// with no lock held, and may come when the call has ended.
	Evict()
	// Left names the side, the method, and the ends that the application has not
	// closed; "" if the call has ended and only its events are under way.
	Left() string
}

// Stay is a tenant's place on its station, a field of the tenant. The zero
// value is ready to use.
type Stay struct {
	// guarded by Station.mu
	tenant     Tenant
	prev, next *Stay
}

// stayList is the stays of a station, the latest first.
type stayList struct {
	first *Stay
	n     int
}

// Enter notes that a call begins to live here. It reports false, and notes
// nothing, if the environment is closed.
func (s *Station) Enter(y *Stay, t Tenant) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed {
		return false
	}
	y.tenant, y.next = t, s.stays.first
	if y.next != nil {
		y.next.prev = y
	}
	s.stays.first = y
	s.stays.n++
	return true
}

// Leave notes that a call has ended. Only the first Leave after Enter counts.
func (s *Station) Leave(y *Stay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if y.tenant == nil {
		return
	}
	if y.prev != nil {
		y.prev.next = y.next
	} else {
		s.stays.first = y.next
	}
	if y.next != nil {
		y.next.prev = y.prev
	}
	*y = Stay{}
	s.stays.n--
}

// InFlight is how many calls live here.
func (s *Station) InFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stays.n
}

// Evict lets nobody in any more, ends the calls that are here, and says what
// they were.
func (s *Station) Evict() []string {
	s.mu.Lock()
	s.isClosed = true
	var tenants []Tenant
	for y := s.stays.first; y != nil; y = y.next {
		tenants = append(tenants, y.tenant)
	}
	s.mu.Unlock()
	var open []string
	for _, t := range tenants {
		if name := t.Left(); name != "" {
			open = append(open, name)
		}
		t.Evict()
	}
	return open
}
