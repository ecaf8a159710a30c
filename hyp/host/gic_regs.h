/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers and commands of the parts of a GICv3 that access memory by physical address (ARM IHI
 * 0069): an ITS's control frame (12.18, 12.19) and commands (5.3), a redistributor's RD frame
 * (12.10, 12.11). Internal to host/.
 */
#ifndef KEEL_HOST_GIC_REGS_H
#define KEEL_HOST_GIC_REGS_H

#include <lib/types.h>

#define GIC_FRAME_SIZE SZ_64K

/* Both: identification registers, at the end of the frame */
#define GIC_ID_FIRST	  0xffd0
#define GIC_PIDR2	  0xffe8
#define GIC_PIDR2_ARCHREV GENMASK(7, 4)
#define GIC_SHAREABILITY  GENMASK(11, 10)
#define GIC_INNER_SHARED  (1ULL << 10)
#define GIC_INNER_CACHE	  GENMASK(61, 59)
#define GIC_INNER_RAWAWB  (7ULL << 59)
#define GIC_INNER_NC	  (1ULL << 59)
#define GIC_VALID	  BIT(63)

/* The ITS's control frame */
#define GITS_CTLR		  0x0
#define GITS_CTLR_ENABLED	  BIT(0)
#define GITS_CTLR_QUIESCENT	  BIT(31)
#define GITS_IIDR		  0x4
#define GITS_TYPER		  0x8
#define GITS_TYPER_ITT_ENTRY_SIZE GENMASK(7, 4)	  /* less 1 */
#define GITS_TYPER_ID_BITS	  GENMASK(12, 8)  /* less 1 */
#define GITS_TYPER_DEVBITS	  GENMASK(17, 13) /* less 1 */
#define GITS_TYPER_PTA		  BIT(19)
#define GITS_TYPER_HCC		  GENMASK(31, 24)
#define GITS_MPIDR		  0x18
#define GITS_STATUSR		  0x40
#define GITS_CBASER		  0x80
#define GITS_CBASER_ADDR	  GENMASK(51, 12)
#define GITS_CBASER_SIZE	  GENMASK(7, 0) /* 4 KiB pages less 1 */
#define GITS_CWRITER		  0x88
#define GITS_CWRITER_RETRY	  BIT(0)
#define GITS_CREADR		  0x90
#define GITS_CREADR_STALLED	  BIT(0)
#define GITS_QUEUE_OFFSET	  GENMASK(19, 5)
#define GITS_BASER		  0x100 /* eight of 8 bytes */
#define GITS_BASERS		  8
#define GITS_BASER_TYPE		  GENMASK(58, 56)
#define GITS_BASER_DEVICES	  1
#define GITS_BASER_COLLECTIONS	  4
#define GITS_BASER_ENTRY_SIZE	  GENMASK(52, 48) /* less 1 */
#define GITS_BASER_PAGE_SIZE	  GENMASK(9, 8)	  /* 4 KiB, 16 KiB, 64 KiB */
#define GITS_BASER_SIZE		  GENMASK(7, 0)	  /* pages less 1 */

/* Commands: four doublewords */
#define GITS_COMMAND_SIZE 32
#define GITS_CMD_OP	  GENMASK(7, 0)
#define GITS_CMD_DEVICE	  GENMASK(63, 32) /* of doubleword 0 */
#define GITS_CMD_SIZE	  GENMASK(4, 0)	  /* of 1: bits of EventID less 1 */
#define GITS_CMD_ITT	  GENMASK(51, 8)  /* of 2 */
#define GITS_CMD_TARGET	  GENMASK(51, 16) /* of 2, and of 3 for MOVALL */
#define GITS_CMD_ICID	  GENMASK(15, 0)  /* of 2 */
#define GITS_MOVI	  0x01
#define GITS_INT	  0x03
#define GITS_CLEAR	  0x04
#define GITS_SYNC	  0x05
#define GITS_MAPD	  0x08
#define GITS_MAPC	  0x09
#define GITS_MAPTI	  0x0a
#define GITS_MAPI	  0x0b
#define GITS_INV	  0x0c
#define GITS_INVALL	  0x0d
#define GITS_MOVALL	  0x0e
#define GITS_DISCARD	  0x0f

/* The RD frame; GICR_TYPER's other fields are in arch/gicr.h */
#define GICR_CTLR	      0x0
#define GICR_CTLR_ENABLE_LPIS BIT(0)
#define GICR_CTLR_RWP	      BIT(3)
#define GICR_CTLR_DPG	      GENMASK(26, 24)
#define GICR_IIDR	      0x4
#define GICR_TYPER_PLPIS      BIT(0)
#define GICR_TYPER_NUMBER     GENMASK(23, 8)
#define GICR_TYPER_COMMON     GENMASK(25, 24) /* CommonLPIAff */
#define GICR_STATUSR	      0x10
#define GICR_WAKER	      0x14
#define GICR_SETLPIR	      0x40
#define GICR_CLRLPIR	      0x48
#define GICR_PROPBASER	      0x70
#define GICR_PROPBASER_ADDR   GENMASK(51, 12)
#define GICR_PROPBASER_IDBITS GENMASK(4, 0) /* less 1 */
#define GICR_PENDBASER	      0x78
#define GICR_PENDBASER_ADDR   GENMASK(51, 16)
#define GICR_INVLPIR	      0xa0
#define GICR_INVALLR	      0xb0
#define GICR_SYNCR	      0xc0

/* The first LPI, which has the first entry of the property table (5.1.1). */
#define GIC_FIRST_LPI	8192U
#define GIC_ID_BITS_MAX 24U

#endif
