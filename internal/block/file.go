package block

import "os"

// A File is a file of a Disk. Its errors are DiskErrors.
type File struct{ f *os.File }

// Open opens a file again, by the name that it had, to read it.
func Open(name string) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, ofDisk(err)
	}
	return &File{f}, nil
}

// Name is by what Open finds the file.
func (f *File) Name() string { return f.f.Name() }

// Write implements io.Writer.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.f.Write(p)
	return n, ofDisk(err)
}

// Read implements io.Reader.
func (f *File) Read(p []byte) (int, error) {
	n, err := f.f.Read(p)
	return n, ofDisk(err)
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.f.ReadAt(p, off)
	return n, ofDisk(err)
}

// Close implements io.Closer. A disk may say only here that it had no room.
func (f *File) Close() error { return ofDisk(f.f.Close()) }
