package health

import "fmt"

// Status is how a service is, by the numbers of gRPC's
// HealthCheckResponse.ServingStatus.
type Status int32

const (
	Unknown        Status = iota // the service cannot say
	Serving                      // it takes calls
	NotServing                   // it is there and takes none
	ServiceUnknown               // there is no such service
)

var statusNames = [...]string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}

// String returns the name in gRPC's definition, such as "NOT_SERVING".
func (s Status) String() string {
	if s >= 0 && int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("Status(%d)", int32(s))
}
