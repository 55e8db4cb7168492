# core/log/file_reader.c: what was written and not synced is read when its writer is dead
s/return reader->page != NULL && dk_page_is_of_this_boot(reader->page);/return false;/
