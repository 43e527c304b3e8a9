//go:build linux

#include "textflag.h"

// realtimeHandler is a signal handler: it adds 1 to the eventfd and returns to the kernel's restorer. It may run on any
// thread at any time, so it touches neither the stack nor anything of Go's.
TEXT ·realtimeHandler(SB), NOSPLIT|NOFRAME, $0
	MOVD ·realtimeFD(SB), R0
	MOVD $·realtimeOne(SB), R1
	MOVD $8, R2
	MOVD $64, R8 // write
	SVC
	RET

// func realtimeHandlerAddress() uintptr
TEXT ·realtimeHandlerAddress(SB), NOSPLIT, $0-8
	MOVD $·realtimeHandler(SB), R0
	MOVD R0, ret+0(FP)
	RET
