#include "textflag.h"

// func record() uintptr
TEXT ·record(SB), NOSPLIT, $0-4
	MOVL (TLS), AX
	MOVL AX, ret+0(FP)
	RET

// func word(offset uintptr) uintptr
TEXT ·word(SB), NOSPLIT, $0-8
	MOVL (TLS), AX
	MOVL offset+0(FP), BX
	MOVL (AX)(BX*1), AX
	MOVL AX, ret+4(FP)
	RET
