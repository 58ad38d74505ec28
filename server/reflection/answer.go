package reflection

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cqrpc/cqrpc"
	pb "github.com/cqrpc/cqrpc/internal/gen/reflectionpb"
)

// maxAnswer is how large an answer may be, in bytes, that has other files than the one
// that was asked for. Clients take 4 MiB by default.
const maxAnswer = 1 << 20

// answer makes the response to the request.
func (x *session) answer() *pb.ServerReflectionResponse {
	res := &pb.ServerReflectionResponse{ValidHost: x.req.GetHost(), OriginalRequest: &x.req}
	switch ask := x.req.GetMessageRequest().(type) {
	case *pb.ServerReflectionRequest_FileByFilename:
		x.answerFile(res, x.catalogue.fileByPath(ask.FileByFilename), "file", ask.FileByFilename)
	case *pb.ServerReflectionRequest_FileContainingSymbol:
		x.answerFile(res, x.catalogue.fileOfSymbol(ask.FileContainingSymbol), "symbol", ask.FileContainingSymbol)
	case *pb.ServerReflectionRequest_FileContainingExtension:
		e := ask.FileContainingExtension
		f := x.catalogue.fileOfExtension(e.GetContainingType(), e.GetExtensionNumber())
		x.answerFile(res, f, fmt.Sprintf("extension %d of", e.GetExtensionNumber()), e.GetContainingType())
	case *pb.ServerReflectionRequest_AllExtensionNumbersOfType:
		x.answerNumbers(res, ask.AllExtensionNumbersOfType)
	case *pb.ServerReflectionRequest_ListServices:
		x.answerServices(res)
	default:
		fail(res, cqrpc.CodeInvalidArgument, "the request asks nothing that is known here")
	}
	return res
}

// answerFile answers with f, or says that there is no such thing.
func (x *session) answerFile(res *pb.ServerReflectionResponse, f protoreflect.FileDescriptor, what, name string) {
	if f == nil {
		fail(res, cqrpc.CodeNotFound, fmt.Sprintf("unknown %s %.256q", what, name))
		return
	}
	files, err := x.encode(f)
	if err != nil {
		fail(res, cqrpc.CodeInternal, fmt.Sprintf("cannot encode %s: %v", f.Path(), err))
		return
	}
	res.MessageResponse = &pb.ServerReflectionResponse_FileDescriptorResponse{
		FileDescriptorResponse: &pb.FileDescriptorResponse{FileDescriptorProto: files},
	}
}

func (x *session) answerNumbers(res *pb.ServerReflectionResponse, message string) {
	numbers, ok := x.catalogue.extensionNumbers(message)
	if !ok {
		fail(res, cqrpc.CodeNotFound, fmt.Sprintf("unknown message %.256q", message))
		return
	}
	res.MessageResponse = &pb.ServerReflectionResponse_AllExtensionNumbersResponse{
		AllExtensionNumbersResponse: &pb.ExtensionNumberResponse{BaseTypeName: message, ExtensionNumber: numbers},
	}
}

func (x *session) answerServices(res *pb.ServerReflectionResponse) {
	list := new(pb.ListServiceResponse)
	for _, name := range x.catalogue.services() {
		list.Service = append(list.Service, &pb.ServiceResponse{Name: name})
	}
	res.MessageResponse = &pb.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: list}
}

// fail answers with an error, which does not end the stream.
func fail(res *pb.ServerReflectionResponse, code cqrpc.Code, message string) {
	res.MessageResponse = &pb.ServerReflectionResponse_ErrorResponse{
		ErrorResponse: &pb.ErrorResponse{ErrorCode: int32(code), ErrorMessage: message},
	}
}

// encode returns root and what it imports, directly or not, as FileDescriptorProtos; root
// comes first, and of the others those that the client does not have and that fit.
func (x *session) encode(root protoreflect.FileDescriptor) ([][]byte, error) {
	var files [][]byte
	size := 0
	queue, isQueued := []protoreflect.FileDescriptor{root}, map[string]bool{root.Path(): true}
	for len(queue) > 0 {
		f := queue[0]
		queue = queue[1:]
		for i := range f.Imports().Len() {
			if dep := f.Imports().Get(i).FileDescriptor; !dep.IsPlaceholder() && !isQueued[dep.Path()] {
				isQueued[dep.Path()] = true
				queue = append(queue, dep)
			}
		}
		if len(files) > 0 && x.sent[f.Path()] {
			continue
		}
		b, err := x.catalogue.shelf.encode(f)
		if err != nil {
			return nil, err
		}
		if size += len(b); len(files) > 0 && size > maxAnswer {
			break
		}
		files = append(files, b)
		x.sent[f.Path()] = true
	}
	return files, nil
}
