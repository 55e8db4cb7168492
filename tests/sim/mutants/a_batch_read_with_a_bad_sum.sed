# core/log/frame.c: checksums of batches are not compared
s/    if (dk_get_u32(bytes + AT_CRC) != dk_crc32c(0, bytes + AT_SIZE, frame->size - AT_SIZE))/    if (false)/
