//go:build unix

package transport

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"net"
	"strings"
	"testing"
)

// keyChanger is a TLS 1.3 client that writes its own records once the handshake is done: crypto/tls
// has no way to ask for other keys (RFC 8446 section 4.6.3).
type keyChanger struct {
	nc     net.Conn
	hash   func() hash.Hash
	size   int // of a key
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	count  uint64 // of records with these keys
}

// keyChange is the message that asks for one in return.
var keyChange = []byte{24, 0, 0, 1, 1}

const (
	handshakeRecord = 22
	dataRecord      = 23
)

// changeKeys takes over from peer, which has written nothing since its handshake on nc. log is what
// went to its KeyLogWriter.
func changeKeys(t *testing.T, peer *tls.Conn, nc net.Conn, log string) *keyChanger {
	t.Helper()
	k := &keyChanger{nc: nc}
	switch suite := peer.ConnectionState().CipherSuite; suite {
	case tls.TLS_AES_128_GCM_SHA256:
		k.hash, k.size = sha256.New, 16
	case tls.TLS_AES_256_GCM_SHA384:
		k.hash, k.size = sha512.New384, 32
	default:
		t.Fatalf("no records of %s are made here", tls.CipherSuiteName(suite))
	}
	for line := range strings.Lines(log) {
		if f := strings.Fields(line); f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			k.secret, _ = hex.DecodeString(f[2])
		}
	}
	k.rekey(t)
	return k
}

// expand is HKDF-Expand-Label (RFC 8446 section 7.1) without a context.
func (k *keyChanger) expand(t *testing.T, label string, n int) []byte {
	t.Helper()
	label = "tls13 " + label
	info := append([]byte{0, byte(n), byte(len(label))}, label...)
	key, err := hkdf.Expand(k.hash, k.secret, string(append(info, 0)), n)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// rekey derives key and iv from the secret.
func (k *keyChanger) rekey(t *testing.T) {
	t.Helper()
	block, err := aes.NewCipher(k.expand(t, "key", k.size))
	if err != nil {
		t.Fatal(err)
	}
	if k.aead, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	k.iv, k.count = k.expand(t, "iv", 12), 0
}

// record appends a record of content (RFC 8446 section 5.2).
func (k *keyChanger) record(dst []byte, kind byte, content []byte) []byte {
	n := len(content) + 1 + k.aead.Overhead()
	header := []byte{dataRecord, 3, 3, byte(n >> 8), byte(n)}
	nonce := append([]byte(nil), k.iv...)
	tail := nonce[len(nonce)-8:]
	binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^k.count)
	k.count++
	return k.aead.Seal(append(dst, header...), nonce, append(content[:len(content):len(content)], kind), header)
}

// change appends the records of a change of keys.
func (k *keyChanger) change(t *testing.T, dst []byte) []byte {
	t.Helper()
	dst = k.record(dst, handshakeRecord, keyChange)
	k.secret = k.expand(t, "traffic upd", k.hash().Size())
	k.rekey(t)
	return dst
}
