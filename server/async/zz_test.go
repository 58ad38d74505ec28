package async
import ("testing";"unsafe";"github.com/cqrpc/cqrpc/server")
func TestZZ(t *testing.T){ t.Log(unsafe.Sizeof(Context{}), unsafe.Sizeof(server.Context{}), unsafe.Sizeof(responder{}), unsafe.Sizeof(wish{})) }
