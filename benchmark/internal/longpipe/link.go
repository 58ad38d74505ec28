// Package longpipe is a network that is fast but far away, between programs on
// one machine: a TCP proxy that delays every byte and lets no more pass than the
// link carries. Nothing is lost and nothing is reordered.
//
//	client ──► kernel ──► receive ──► queue (Link.Buffer) ──► deliver ──► kernel ──► server
//	                      │ at the rate                       │ when due
//
// A connection is made at once, its bytes take their time. Both directions are
// links of their own. When a queue is full its sender's TCP has to wait, as at a
// router that does not drop.
package longpipe

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// Link is one direction.
type Link struct {
	Delay  time.Duration // of a byte, once it has left: half the round trip
	Rate   float64       // bytes per second
	Buffer int           // bytes under way or waiting to leave
}

// LongFat is 1 Gbit/s with a round trip of 50 ms: 6.25 MB fill it.
func LongFat() Link { return Link{Delay: 25 * time.Millisecond, Rate: 1e9 / 8, Buffer: 16 << 20} }

// piece is the most that is read at once: half a millisecond of LongFat, so that
// what is due comes in time.
const piece = 64 << 10

// parcel is bytes and when they arrive.
type parcel struct {
	data []byte
	due  time.Time
}

// line is one direction of one connection.
type line struct {
	link Link

	mu   sync.Mutex
	room *sync.Cond // for both: there is less in the queue, or more, or no more will come
	// guarded by mu
	queue  []parcel
	held   int  // bytes in the queue
	ended  bool // no more will come
	closed bool // nobody takes what is there
}

func newLine(l Link) *line {
	c := &line{link: l}
	c.room = sync.NewCond(&c.mu)
	return c
}

// carry takes bytes from src to dst until src ends or either fails, which closes
// src. It returns when the last byte has arrived.
func carry(dst io.Writer, src io.ReadCloser, l Link) {
	c := newLine(l)
	var delivering sync.WaitGroup
	delivering.Go(func() {
		if !c.deliver(dst) {
			src.Close()
		}
	})
	c.receive(src)
	delivering.Wait()
}

// receive takes what comes and gives it the time of its arrival: what comes
// while the link is busy leaves after that.
func (c *line) receive(src io.Reader) {
	defer c.end()
	var free time.Time // when the link is
	data := make([]byte, piece)
	for c.wait() {
		n, err := src.Read(data)
		if n > 0 {
			if now := time.Now(); free.Before(now) {
				free = now
			}
			free = free.Add(time.Duration(float64(n) / c.link.Rate * float64(time.Second)))
			c.put(parcel{bytes.Clone(data[:n]), free.Add(c.link.Delay)})
		}
		if err != nil {
			return
		}
	}
}

// deliver hands over what is due; false: nobody wants it.
func (c *line) deliver(dst io.Writer) bool {
	for {
		p, ok := c.take()
		if !ok {
			return true
		}
		time.Sleep(time.Until(p.due))
		if _, err := dst.Write(p.data); err != nil {
			c.close()
			return false
		}
		c.drop(len(p.data))
	}
}

// wait waits until a piece has room; false: nobody takes it.
func (c *line) wait() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.held > 0 && c.held+piece > c.link.Buffer && !c.closed {
		c.room.Wait()
	}
	return !c.closed
}

func (c *line) put(p parcel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, p)
	c.held += len(p.data)
	c.room.Broadcast()
}

// take waits for the next parcel; false: there will be none.
func (c *line) take() (p parcel, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 && !c.ended {
		c.room.Wait()
	}
	if len(c.queue) == 0 {
		return p, false
	}
	p, c.queue[0] = c.queue[0], parcel{}
	c.queue = c.queue[1:]
	return p, true
}

// drop makes room for n bytes that have arrived.
func (c *line) drop(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held -= n
	c.room.Broadcast()
}

func (c *line) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.room.Broadcast()
}

func (c *line) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.room.Broadcast()
}
