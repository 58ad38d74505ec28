package transport

// busiest is how many bytes the stream has brought that has brought the most: the space-saving
// algorithm (Metwally, Agrawal, El Abbadi, 2005), which needs nothing of the streams. It is exact
// for as many streams as it has counters, and otherwise says too much by no more than an even share:
// all bytes divided by the counters.
type busiest struct {
	streams [8]uint32
	bytes   [8]int64
	most    int64
}

func (b *busiest) add(id uint32, n int64) {
	at := 0
	for i := range b.streams {
		if b.streams[i] == id {
			at = i
			break
		}
		if b.bytes[i] < b.bytes[at] {
			at = i
		}
	}
	b.streams[at] = id
	b.bytes[at] += n
	b.most = max(b.most, b.bytes[at])
}
