package frame

// entry is a field of an HPACK table.
type entry struct{ name, value string }

// entryOverhead is what an entry counts beyond its octets (RFC 7541 section 4.1).
const entryOverhead = 32

func (e *entry) size() uint32 { return uint32(len(e.name)+len(e.value)) + entryOverhead }

// staticTable is that of RFC 7541 appendix A; index 0 is not used. Fields of one
// name follow each other.
var staticTable = [...]entry{
	1: {":authority", ""}, {":method", "GET"}, {":method", "POST"}, {":path", "/"}, {":path", "/index.html"},
	{":scheme", "http"}, {":scheme", "https"}, {":status", "200"}, {":status", "204"}, {":status", "206"},
	{":status", "304"}, {":status", "400"}, {":status", "404"}, {":status", "500"}, {"accept-charset", ""},
	{"accept-encoding", "gzip, deflate"}, {"accept-language", ""}, {"accept-ranges", ""}, {"accept", ""},
	{"access-control-allow-origin", ""}, {"age", ""}, {"allow", ""}, {"authorization", ""}, {"cache-control", ""},
	{"content-disposition", ""}, {"content-encoding", ""}, {"content-language", ""}, {"content-length", ""},
	{"content-location", ""}, {"content-range", ""}, {"content-type", ""}, {"cookie", ""}, {"date", ""}, {"etag", ""},
	{"expect", ""}, {"expires", ""}, {"from", ""}, {"host", ""}, {"if-match", ""}, {"if-modified-since", ""},
	{"if-none-match", ""}, {"if-range", ""}, {"if-unmodified-since", ""}, {"last-modified", ""}, {"link", ""},
	{"location", ""}, {"max-forwards", ""}, {"proxy-authenticate", ""}, {"proxy-authorization", ""}, {"range", ""},
	{"referer", ""}, {"refresh", ""}, {"retry-after", ""}, {"server", ""}, {"set-cookie", ""},
	{"strict-transport-security", ""}, {"transfer-encoding", ""}, {"user-agent", ""}, {"vary", ""}, {"via", ""},
	{"www-authenticate", ""},
}

// staticLast has for each name the index of the last field of that name.
var staticLast = func() map[string]int {
	last := make(map[string]int, len(staticTable))
	for i := 1; i < len(staticTable); i++ {
		last[staticTable[i].name] = i
	}
	return last
}()

// findStatic returns the index of e, if its value is looked for too, or of the
// last field of its name, or 0.
func findStatic(e entry, isValueToo bool) (index int, isExact bool) {
	last := staticLast[e.name]
	for i := last; isValueToo && i > 0 && staticTable[i].name == e.name; i-- {
		if staticTable[i].value == e.value {
			return i, true
		}
	}
	return last, false
}

// dynamicTable is what the peer's decoder has learnt from us (RFC 7541 section
// 2.3.2). A list: of a gRPC peer it has few entries, and a connection that made
// a single call should not keep maps for them.
type dynamicTable struct {
	entries   []entry // oldest first
	size, max uint32  // octets as RFC 7541 section 4.1 counts them
}

// find returns the index of e, if its value is looked for too, or of the latest
// entry of its name, or 0.
func (t *dynamicTable) find(e entry, isValueToo bool) (index int, isExact bool) {
	for i := len(t.entries) - 1; i >= 0; i-- {
		if t.entries[i].name != e.name {
			continue
		}
		n := len(staticTable) - 1 + len(t.entries) - i
		if isValueToo && t.entries[i].value == e.value {
			return n, true
		}
		if index == 0 {
			index = n
		}
	}
	return index, false
}

// add enters e, which fits, and drops the oldest entries for it (RFC 7541
// section 4.4).
func (t *dynamicTable) add(e entry) {
	t.entries = append(t.entries, e)
	t.size += e.size()
	t.evict()
}

// setMax changes the size of the table (RFC 7541 section 4.3).
func (t *dynamicTable) setMax(n uint32) {
	t.max = n
	t.evict()
}

func (t *dynamicTable) evict() {
	n := 0
	for ; t.size > t.max; n++ {
		t.size -= t.entries[n].size()
	}
	if n > 0 {
		left := copy(t.entries, t.entries[n:])
		clear(t.entries[left:])
		t.entries = t.entries[:left]
	}
}
