//go:build linux

#include "textflag.h"

// realtimeHandler is a signal handler: it adds 1 to the eventfd and returns to the kernel's restorer. It may run on any
// thread at any time, so it touches neither the stack nor anything of Go's.
TEXT ·realtimeHandler(SB), NOSPLIT|NOFRAME, $0
	MOVQ ·realtimeFD(SB), DI
	LEAQ ·realtimeOne(SB), SI
	MOVL $8, DX
	MOVL $1, AX // write
	SYSCALL
	RET

// func realtimeHandlerAddress() uintptr
TEXT ·realtimeHandlerAddress(SB), NOSPLIT, $0-8
	LEAQ ·realtimeHandler(SB), AX
	MOVQ AX, ret+0(FP)
	RET
