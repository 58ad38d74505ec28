package call

import "github.com/cqrpc/cqrpc/codec"

// coding is how messages are compressed, if they are: nil means not at all.
type coding struct{ send, recv codec.Compressor }

// sending returns the compressor of messages to send, nil for none.
func (k *coding) sending() codec.Compressor {
	if k == nil {
		return nil
	}
	return k.send
}

// receiving returns the compressor of messages received, nil for none.
func (k *coding) receiving() codec.Compressor {
	if k == nil {
		return nil
	}
	return k.recv
}

// setCodingLocked sets how messages are compressed.
func (c *Call) setCodingLocked(send, recv codec.Compressor) {
	c.coding = nil
	if send != nil || recv != nil {
		c.coding = &coding{send, recv}
	}
}

// SendEncoding returns the grpc-encoding of the messages this side sends,
// "identity" for none.
func (c *Call) SendEncoding() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return encodingName(c.coding.sending())
}

// RecvEncoding returns the grpc-encoding of the messages the peer sends; on a
// client it is "identity" until the initial metadata has arrived.
func (c *Call) RecvEncoding() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return encodingName(c.coding.receiving())
}

func encodingName(comp codec.Compressor) string {
	if comp == nil {
		return "identity"
	}
	return comp.Name()
}
