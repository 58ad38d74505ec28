package health

import (
	"sync"

	pb "github.com/cqrpc/cqrpc/internal/gen/healthpb"
)

// Server has the status of each service and tells clients. Make one with New;
// servers that share one are healthy together.
type Server struct {
	mu sync.Mutex

	// guarded by mu
	services   map[string]*service
	isShutDown bool
}

// service is one that somebody has set or watches. Its fields are guarded by
// Server.mu.
type service struct {
	status   Status // ServiceUnknown: it is only watched
	watchers map[*watcher]struct{}
}

// New returns a Server that says Serving of "", the server as a whole, and knows no
// other service.
func New() *Server {
	return &Server{services: map[string]*service{"": {status: Serving}}}
}

// SetServingStatus says how a service is: by its full name, like "package.Service",
// or "", the server as a whole. ServiceUnknown forgets it. After Shutdown, until
// Resume, it does nothing.
func (s *Server) SetServingStatus(name string, status Status) {
	s.mu.Lock()
	var due []*watcher
	if !s.isShutDown {
		due = s.setLocked(nil, name, status)
	}
	s.mu.Unlock()
	tell(due, status)
}

// Shutdown says NotServing of every service that has a status, and SetServingStatus
// changes nothing from now on. It neither ends watches nor shuts down the server
// that they are calls of.
func (s *Server) Shutdown() { s.setAll(NotServing, true) }

// Resume takes Shutdown back: it says Serving of every service that has a status, and
// SetServingStatus counts again.
func (s *Server) Resume() { s.setAll(Serving, false) }

func (s *Server) setAll(status Status, isShutDown bool) {
	s.mu.Lock()
	s.isShutDown = isShutDown
	var due []*watcher
	for name, v := range s.services {
		if v.status != ServiceUnknown {
			due = s.setLocked(due, name, status)
		}
	}
	s.mu.Unlock()
	tell(due, status)
}

// setLocked appends to due the watchers that are to be told, by the caller and when
// it has unlocked.
func (s *Server) setLocked(due []*watcher, name string, status Status) []*watcher {
	v := s.serviceLocked(name)
	v.status = status
	for w := range v.watchers {
		if w.beginLocked() {
			due = append(due, w)
		}
	}
	s.tidyLocked(name, v)
	return due
}

// serviceLocked finds a service, or makes it known as unknown.
func (s *Server) serviceLocked(name string) *service {
	v := s.services[name]
	if v == nil {
		v = &service{status: ServiceUnknown}
		s.services[name] = v
	}
	return v
}

// tidyLocked forgets a service that nobody has set and nobody watches, lest clients
// fill the map.
func (s *Server) tidyLocked(name string, v *service) {
	if v.status == ServiceUnknown && len(v.watchers) == 0 {
		delete(s.services, name)
	}
}

// status is that of a service, ServiceUnknown if it has none.
func (s *Server) status(name string) Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.services[name]; v != nil {
		return v.status
	}
	return ServiceUnknown
}

// statuses is all there are; ok is false if they are more than limit.
func (s *Server) statuses(limit int) (all map[string]*pb.HealthCheckResponse, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all = make(map[string]*pb.HealthCheckResponse)
	for name, v := range s.services {
		if v.status == ServiceUnknown {
			continue
		}
		if len(all) == limit {
			return nil, false
		}
		all[name] = response(v.status)
	}
	return all, true
}
