package localdb

// Folder returns the folder that holds all of the server.
func (s *Server) Folder() string { return s.folder }

// KeeperPid returns the process that removes the server when its owner dies.
func (s *Server) KeeperPid() int { return s.keeper.cmd.Process.Pid }

// ServerPids returns the processes of the server whose data folder this is.
func ServerPids(data string) []int { return serverPids(data) }
