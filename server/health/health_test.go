package health_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/proto"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	pb "github.com/cqrpc/cqrpc/internal/gen/healthpb"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/health"
)

// The statuses go over the wire as they are, so their numbers and names are gRPC's.
func TestStatus(t *testing.T) {
	for number, name := range pb.HealthCheckResponse_ServingStatus_name {
		if got := health.Status(number).String(); got != name {
			t.Errorf("status %d is %s, want %s", number, got, name)
		}
	}
	if health.Serving != 1 || health.NotServing != 2 || health.ServiceUnknown != 3 {
		t.Error("the numbers are not gRPC's")
	}
	if got := health.Status(-1).String() + health.Status(4).String(); got != "Status(-1)Status(4)" {
		t.Error(got)
	}
}

func TestCheck(t *testing.T) {
	play(t, func(s *scene) {
		s.wantCheck("a new server is well", "", "SERVING")
		s.wantUnknown("of others nothing is known", "shop.Orders")
		s.SetServingStatus("shop.Orders", health.NotServing)
		s.wantCheck("it was set", "shop.Orders", "NOT_SERVING")
		s.wantCheck("services do not depend on each other", "", "SERVING")
		s.SetServingStatus("shop.Orders", health.Unknown)
		s.wantCheck("this is a status, too", "shop.Orders", "UNKNOWN")
		s.SetServingStatus("shop.Orders", health.ServiceUnknown)
		s.wantUnknown("it was forgotten", "shop.Orders")
	})
}

func TestList(t *testing.T) {
	play(t, func(s *scene) {
		s.SetServingStatus("shop.Orders", health.NotServing)
		s.SetServingStatus("gone", health.Serving)
		s.SetServingStatus("gone", health.ServiceUnknown)
		s.watch("only.Watched").want("nobody has set it", "SERVICE_UNKNOWN")
		res, err := client.Unary(s.Context(), s.ch, list, &pb.HealthListRequest{})
		if err != nil {
			s.Fatal(err)
		}
		got := make(map[string]string)
		for name, r := range res.GetStatuses() {
			got[name] = r.GetStatus().String()
		}
		if !maps.Equal(got, map[string]string{"": "SERVING", "shop.Orders": "NOT_SERVING"}) {
			s.Errorf("List is %v", got)
		}
		for i := range 98 {
			s.SetServingStatus(fmt.Sprint("more", i), health.Serving)
		}
		if res, err := client.Unary(s.Context(), s.ch, list, &pb.HealthListRequest{}); len(res.GetStatuses()) != 100 {
			s.Errorf("List of 100 is %d, %v", len(res.GetStatuses()), err)
		}
		s.SetServingStatus("one more", health.Serving)
		if _, err := client.Unary(s.Context(), s.ch, list, &pb.HealthListRequest{}); cqrpc.CodeOf(err) != cqrpc.CodeResourceExhausted {
			s.Errorf("List of 101 is %v, want RESOURCE_EXHAUSTED", err)
		}
	})
}

func TestWatch(t *testing.T) {
	play(t, func(s *scene) {
		server, orders, again := s.watch(""), s.watch("shop.Orders"), s.watch("shop.Orders")
		server.want("what it is", "SERVING")
		orders.want("the call lives on all the same", "SERVICE_UNKNOWN")
		again.want("the call lives on all the same", "SERVICE_UNKNOWN")
		s.SetServingStatus("shop.Orders", health.Serving)
		orders.want("it has come", "SERVING")
		again.want("it has come", "SERVING")
		s.SetServingStatus("shop.Orders", health.Serving)
		s.SetServingStatus("", health.NotServing)
		server.want("it has changed", "NOT_SERVING")
		synctest.Wait()
		s.SetServingStatus("shop.Orders", health.NotServing)
		orders.want("what does not change is not told", "NOT_SERVING")
		again.leave()
		s.SetServingStatus("shop.Orders", health.ServiceUnknown)
		orders.want("it is gone, and the call lives on", "SERVICE_UNKNOWN")
		s.watch("shop.Orders").want("who comes now finds it gone", "SERVICE_UNKNOWN")
	})
}

// Shutdown and Resume are those of grpc-go's health.Server.
func TestShutdownAndResume(t *testing.T) {
	play(t, func(s *scene) {
		s.SetServingStatus("shop.Orders", health.Unknown)
		orders, other := s.watch("shop.Orders"), s.watch("other")
		orders.want("as set", "UNKNOWN")
		other.want("not set", "SERVICE_UNKNOWN")
		s.Shutdown()
		orders.want("nothing is served", "NOT_SERVING")
		s.wantCheck("nothing is served", "", "NOT_SERVING")
		s.SetServingStatus("shop.Orders", health.Serving)
		s.SetServingStatus("new", health.Serving)
		s.wantCheck("this does not count", "shop.Orders", "NOT_SERVING")
		s.wantUnknown("nor does this", "new")
		s.Resume()
		orders.want("everything is served, whatever it was", "SERVING")
		s.wantCheck("everything is served", "", "SERVING")
		s.SetServingStatus("shop.Orders", health.NotServing)
		orders.want("this counts again", "NOT_SERVING")
		s.SetServingStatus("other", health.Serving)
		other.want("a service that nobody had set was left alone", "SERVING")
	})
}

// peer is a scripted client with windows of so many octets.
func (s *scene) peer(window uint32) *h2peer.Peer {
	s.Helper()
	nc, err := s.net.Dial(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	p := h2peer.New(s.T, nc, h2peer.Client)
	p.Greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
	p.Ignore(http2.FrameWindowUpdate, http2.FramePing)
	return p
}

// startWatch starts a Watch on a stream.
func startWatch(p *h2peer.Peer, id uint32, service string) {
	p.Request(id, watch.Name)
	p.WriteMessage(id, true, encode(&pb.HealthCheckRequest{Service: service}))
}

func encode(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// said is the bytes of a response.
func said(status pb.HealthCheckResponse_ServingStatus) []byte {
	return encode(&pb.HealthCheckResponse{Status: status})
}

// A client that does not read holds one message, and is told what is so when it
// reads again, not how it came to be.
func TestSlowWatcherGetsTheNewest(t *testing.T) {
	play(t, func(s *scene) {
		message := uint32(len(h2peer.Message(said(pb.HealthCheckResponse_SERVING))))
		p := s.peer(message)
		startWatch(p, 1, "")
		p.WantResponse("it is accepted", 1)
		p.WantMessage("there is a window for this", 1, false, said(pb.HealthCheckResponse_SERVING))
		synctest.Wait()
		s.SetServingStatus("", health.NotServing) // is on its way, and waits for a window
		synctest.Wait()
		for range 1000 {
			s.SetServingStatus("", health.Serving)
			s.SetServingStatus("", health.Unknown)
		}
		s.SetServingStatus("", health.Serving)
		p.WantIdle("the window is shut")
		p.WriteWindowUpdate(1, 1<<20)
		p.WantMessage("it was on its way", 1, false, said(pb.HealthCheckResponse_NOT_SERVING))
		p.WantMessage("the newest", 1, false, said(pb.HealthCheckResponse_SERVING))
		p.WantIdle("there is nothing else to tell")
	})
}

// A status that comes back before it was written is no change.
func TestSlowWatcherIsNotToldWhatItKnows(t *testing.T) {
	play(t, func(s *scene) {
		p := s.peer(0)
		startWatch(p, 1, "")
		p.WantResponse("it is accepted", 1)
		synctest.Wait()
		s.SetServingStatus("", health.NotServing)
		s.SetServingStatus("", health.Serving)
		p.WriteWindowUpdate(1, 1<<20)
		p.WantMessage("the first", 1, false, said(pb.HealthCheckResponse_SERVING))
		p.WantIdle("it is as it was")
	})
}

// A status that gRPC does not know is one like others.
func TestWatchOfAnyStatus(t *testing.T) {
	play(t, func(s *scene) {
		s.SetServingStatus("", -1)
		p := s.peer(0)
		startWatch(p, 1, "")
		p.WantResponse("it is accepted", 1)
		synctest.Wait()
		s.SetServingStatus("", health.Serving)
		p.WriteWindowUpdate(1, 1<<20)
		p.WantMessage("the first", 1, false, said(-1))
		p.WantMessage("what came while it was written", 1, false, said(pb.HealthCheckResponse_SERVING))
		p.WantIdle("there is nothing else to tell")
	})
}

// Nothing runs for a client that watches, and all are told.
func TestWatchersCostNoGoroutine(t *testing.T) {
	play(t, func(s *scene) {
		p := s.peer(1 << 20)
		const streams = 1000
		synctest.Wait()
		before := leak.InBubble()
		for i := range uint32(streams) {
			startWatch(p, 2*i+1, "shop.Orders")
		}
		toldAll := func(why, bytes string) {
			told := make(map[uint32]string)
			for range streams {
				p.Until(why, func(f h2peer.Frame) bool {
					if f.Type == http2.FrameData {
						told[f.StreamID] += string(f.Payload)
					}
					return f.Type == http2.FrameData
				})
			}
			for id, got := range told {
				if got != bytes {
					s.Fatalf("%s: stream %d got %q", why, id, got)
				}
			}
			if len(told) != streams {
				s.Errorf("%s: %d streams were told", why, len(told))
			}
		}
		toldAll("nobody has set it", string(h2peer.Message(said(pb.HealthCheckResponse_SERVICE_UNKNOWN))))
		s.SetServingStatus("shop.Orders", health.Serving)
		toldAll("it has come", string(h2peer.Message(said(pb.HealthCheckResponse_SERVING))))
		synctest.Wait()
		if n := leak.InBubble(); n > before {
			s.Errorf("%d goroutines with %d watchers, %d without", n, streams, before)
		}
	})
}

// A client can make us remember a name, so that is bounded; one that was set is
// remembered anyway.
func TestLongNames(t *testing.T) {
	play(t, func(s *scene) {
		s.watch(strings.Repeat("x", 1024)).want("as long as may be", "SERVICE_UNKNOWN")
		long := strings.Repeat("x", 1025)
		_, err := s.watch(long).stream.Recv()
		if cqrpc.CodeOf(err) != cqrpc.CodeInvalidArgument {
			s.Errorf("Watch of a long name is %v, want INVALID_ARGUMENT", err)
		}
		s.wantUnknown("nobody has set it", long)
		s.SetServingStatus(long, health.Serving)
		s.watch(long).want("it was set", "SERVING")
	})
}

// However fast it changes and from wherever, what everybody learns last is what is so.
func TestConcurrentChanges(t *testing.T) {
	play(t, func(s *scene) {
		var viewers []*viewer
		for range 20 {
			viewers = append(viewers, s.watch("x"))
		}
		var setting sync.WaitGroup
		for i := range 4 {
			setting.Go(func() {
				for n := range 50 {
					s.SetServingStatus("x", health.Status(n%4))
					switch {
					case n == 20+i:
						s.Shutdown()
					case n == 30+i:
						s.Resume()
					}
				}
			})
		}
		setting.Wait()
		s.Resume()
		s.SetServingStatus("x", health.Unknown)
		synctest.Wait()
		s.SetServingStatus("x", health.NotServing)
		synctest.Wait()
		for _, v := range viewers {
			var last []pb.HealthCheckResponse_ServingStatus
			for len(last) < 2 || last[0] != pb.HealthCheckResponse_UNKNOWN || last[1] != pb.HealthCheckResponse_NOT_SERVING {
				res, err := v.stream.Recv()
				if err != nil {
					s.Fatal(err)
				}
				if last = append(last, res.GetStatus()); len(last) > 2 {
					last = last[1:]
				}
				if len(last) == 2 && last[0] == last[1] {
					s.Fatalf("told %v twice", last[0])
				}
			}
			v.leave()
		}
		synctest.Wait() // the calls have ended by that, not with their connection, which leaves what came before to be read
	})
}

// A Watch does not hold up a server that is shut down, only another one may go on.
func TestServerShutdown(t *testing.T) {
	play(t, func(s *scene) {
		other := server.New()
		if err := health.Register(other, s.Server); err != nil {
			s.Fatal(err)
		}
		p := s.peer(1 << 16)
		startWatch(p, 1, "")
		p.WantResponse("it is accepted", 1)
		p.WantMessage("as it is", 1, false, said(pb.HealthCheckResponse_SERVING))
		if err := other.Shutdown(s.Context()); err != nil {
			s.Error(err)
		}
		s.SetServingStatus("", health.NotServing)
		p.WantMessage("the end of the other is not its own", 1, false, said(pb.HealthCheckResponse_NOT_SERVING))
		ended := make(chan error, 1)
		go func() { ended <- s.server.Shutdown(s.Context()) }()
		p.WantGoAway("it is going", http2.ErrCodeNo)
		p.WantTrailers("and the watch ends", 1, int(cqrpc.CodeUnavailable))
		p.Close()
		if err := <-ended; err != nil {
			s.Errorf("Shutdown returned %v", err)
		}
	})
}

// One that comes while the server goes is told the status, and ends too.
func TestWatchOfAServerThatGoes(t *testing.T) {
	play(t, func(s *scene) {
		p := s.peer(1 << 16)
		startWatch(p, 1, "")
		p.WantResponse("it is accepted", 1)
		p.WantMessage("as it is", 1, false, said(pb.HealthCheckResponse_SERVING))
		q := cq.New()
		if err := s.server.ShutdownAndNotify(q, "gone"); err != nil {
			s.Fatal(err)
		}
		startWatch(p, 3, "")
		ends, told := make(map[uint32]string), ""
		p.Until("what lasted ends, and the late one", func(f h2peer.Frame) bool {
			switch {
			case f.End():
				ends[f.StreamID] = f.Value("grpc-status")
			case f.Type == http2.FrameData && f.StreamID == 3:
				told += string(f.Payload)
			}
			return len(ends) == 2
		})
		want := strconv.Itoa(int(cqrpc.CodeUnavailable))
		if ends[1] != want || ends[3] != want || told != string(h2peer.Message(said(pb.HealthCheckResponse_SERVING))) {
			s.Errorf("they end with %v; the late one was told %q", ends, told)
		}
		p.Close()
		q.Next(s.Context())
		q.Shutdown()
	})
}

func TestRegister(t *testing.T) {
	s := server.New()
	if err := health.Register(s, health.New()); err != nil {
		t.Fatal(err)
	}
	if got := s.Services(); !slices.Equal(got, []string{"grpc.health.v1.Health"}) {
		t.Errorf("it serves %q", got)
	}
	if err := health.Register(s, health.New()); err == nil {
		t.Error("it was registered twice")
	}
}
