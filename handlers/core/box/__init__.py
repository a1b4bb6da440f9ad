"""A project's Box: documents that are indexed, and questions that are answered from them. It is the project's vector
store `project-box`, made when the first document comes."""
