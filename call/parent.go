package call

import "github.com/cqrpc/cqrpc"

// Propagation says what a client call takes over from its parent. Zero means
// everything; the bits are C-core's.
type Propagation uint32

const (
	// PropagateDeadline: the child's deadline is the earlier of both.
	PropagateDeadline Propagation = 1
	// PropagateCensusStats and PropagateCensusTracing are accepted for C-core's
	// sake and pass nothing on.
	PropagateCensusStats   Propagation = 2
	PropagateCensusTracing Propagation = 4
	// PropagateCancellation: the child is cancelled when the parent is over, for
	// whatever reason, a normal end included.
	PropagateCancellation Propagation = 8
	// PropagateNothing is the mask with no bit of the above.
	PropagateNothing Propagation = 1 << 16
)

func (p Propagation) has(bit Propagation) bool { return p == 0 || p&bit != 0 }

// family links a call to those made on its behalf. The sibling links belong to
// the parent's mu; first to the call's own.
type family struct {
	parent     *Call // immutable
	prev, next *Call // siblings
	linked     bool
	first      *Call // of the children
}

// familyLocked returns the links, making them at first need.
func (c *Call) familyLocked() *family {
	if c.family == nil {
		c.family = &family{}
	}
	return c.family
}

// inherit takes over what the parent passes on. The call is new: nobody else
// has it yet.
func (c *Call) inherit(p *Call, mask Propagation) {
	if d, ok := p.Deadline(); ok && mask.has(PropagateDeadline) {
		if own, ok := c.Deadline(); !ok || d.Before(own) {
			c.setDeadline(d)
		}
	}
	if !mask.has(PropagateCancellation) || c.phase == over {
		return
	}
	c.family = &family{parent: p}
	if !p.adopt(c) {
		c.CancelWithStatus(cqrpc.CodeCanceled, "parent call ended")
	}
}

// adopt links child; false if the call is over already.
func (c *Call) adopt(child *Call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == over {
		return false
	}
	f := c.familyLocked()
	child.family.next, child.family.linked = f.first, true
	if f.first != nil {
		f.first.family.prev = child
	}
	f.first = child
	return true
}

// disown unlinks a child that is over.
func (c *Call) disown(child *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := child.family
	if !k.linked {
		return
	}
	if k.prev != nil {
		k.prev.family.next = k.next
	} else {
		c.family.first = k.next
	}
	if k.next != nil {
		k.next.family.prev = k.prev
	}
	k.prev, k.next, k.linked = nil, nil, false
}

// partLocked takes the call, which is over, out of its family; a has the rest.
func (c *Call) partLocked(a *after) {
	if c.family == nil {
		return
	}
	a.parent = c.family.parent
	for child := c.family.first; child != nil; {
		k := child.family
		a.children = append(a.children, child)
		child, k.prev, k.next, k.linked = k.next, nil, nil, false
	}
	c.family.first = nil
}
