#include "textflag.h"

// func record() uintptr
TEXT ·record(SB), NOSPLIT, $0-4
	MOVW g, R0
	MOVW R0, ret+0(FP)
	RET

// func word(offset uintptr) uintptr
TEXT ·word(SB), NOSPLIT, $0-8
	MOVW offset+0(FP), R1
	ADD g, R1, R1
	MOVW (R1), R0
	MOVW R0, ret+4(FP)
	RET
