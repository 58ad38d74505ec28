package frame

import "bytes"

// encodings remembers how a Writer has encoded shared lists, as long as that
// only refers to the table. The zero value is empty.
type encodings struct {
	of []encodedList
	at int // the one to be replaced
}

type encodedList struct {
	list  *HeaderList
	block []byte
}

func (e *encodings) find(l *HeaderList) []byte {
	for i := range e.of {
		if e.of[i].list == l {
			return e.of[i].block
		}
	}
	return nil
}

func (e *encodings) add(l *HeaderList, block []byte) {
	one := encodedList{l, bytes.Clone(block)}
	if len(e.of) < maxKnown {
		e.of = append(e.of, one)
		return
	}
	e.of[e.at] = one
	e.at = (e.at + 1) % maxKnown
}

func (e *encodings) forget() {
	clear(e.of)
	e.of, e.at = e.of[:0], 0
}
