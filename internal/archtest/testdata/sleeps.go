package testdata

import (
	"testing"
	"testing/synctest"
	"time"
)

func inBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { time.Sleep(time.Hour) })
}

func onTheWall() { time.Sleep(time.Second) }

func calledFromABubble() {
	time.Sleep(time.Hour) // fake clock
}
