package call

import (
	"fmt"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// maxPage bounds what is read of a page, in bytes, as grpc-go does: it begins with what is wrong.
const maxPage = 1 << 10

// page is the body of a response that is not gRPC, mostly a proxy's, while it is read. The status
// quotes it: it knows more than the three digits that came before. Read to its end it also costs no
// RST_STREAM; of those a proxy may take too many in a second for an attack (CVE-2023-44487), and end
// the connection. The verdict on the headers waits for it as Call.end. Guarded by Call.mu.
type page struct {
	text []byte
}

// add takes one DATA payload, which may be nil, and reports whether that is enough.
func (p *page) add(b *mem.Buffer) bool {
	if b != nil {
		p.text = append(p.text, b.Bytes()[:min(b.Len(), maxPage-len(p.text))]...)
		b.Free()
	}
	return len(p.text) == maxPage
}

// withPage is v with what has come of the page, which has ended in this way.
func (v *verdict) withPage(how ending) *verdict {
	w := *v
	w.how, w.page = how, nil
	if text := v.page.text; len(text) > 0 {
		w.status.Message += fmt.Sprintf(": %q", text)
	}
	return &w
}

// beginPageLocked puts off what the headers of a response came to.
func (c *Call) beginPageLocked(v *verdict) {
	w := *v
	w.page = new(page)
	c.end = &w
}

// pageDataLocked takes one DATA payload of a page.
func (c *Call) pageDataLocked(b *mem.Buffer, end bool, a *after, lane *cq.Lane) {
	if b != nil {
		a.stream, a.consume = c.stream, c.recv.creditFor(b.Len())
	}
	isFull := c.end.page.add(b)
	switch {
	case end:
		c.endPageLocked(byStatus, a, lane)
	case isFull:
		c.endPageLocked(byViolation, a, lane)
	}
}

// endPageLocked ends the attempt whose response was a page.
func (c *Call) endPageLocked(how ending, a *after, lane *cq.Lane) {
	v := c.end.withPage(how)
	c.end = &undecided
	c.failedLocked(v, a, lane)
}
